"""The workshop of Latent Resonance: recordings in, a trained model pack out.

`dataset/` turns recordings into clips; `gan/` trains the generator; `regressor/` trains the map
from faces to z; `pack/` writes the pack, and `audition/` measures its quality. `face/` converts the
face models, `report/` draws plots and pages. The workshop imports the runtime's pure modules,
never the other way round.
"""

import os

# ONNX Runtime would send telemetry to its vendor; see voice/synthesis/networks.py.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
