"""The workshop of Latent Resonance: recordings in, a trained model pack out.

`curate` (with `curation/`), `synthesise` and `dataset` make what is learned from; `train_gan`
(`training/`, `networks/`) learns it; `train_regressor` (`regression/`) learns how a face plays it;
`convert` (`conversion/`) writes the pack, and `audition/` says whether it is any good. It imports
the runtime's pure modules, never the other way.
"""

import os

# What ONNX Runtime would report to its makers concerns an artist's sounds; see
# voice/synthesis/networks.py.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
