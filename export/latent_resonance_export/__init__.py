"""The workshop of Latent Resonance: recordings in, a trained model pack out.

`synthesise` and `dataset` make what is learned from; `networks`, `augment`, `losses` and
`train_gan` learn it; `movement`, `descriptors` and `train_regressor` learn how a face plays
it; `convert` writes the pack. It imports the runtime's pure modules, never the other way.
"""
