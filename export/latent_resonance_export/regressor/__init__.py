"""What the map from faces to sounds is learnt by; `train_regressor.py` joins it."""
