"""Training of the GAN: the parts of the loop in `train.py`."""
