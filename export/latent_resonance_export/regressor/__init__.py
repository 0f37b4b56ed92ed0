"""Training of the regressor, the map from faces to z: the parts of `train.py`."""
