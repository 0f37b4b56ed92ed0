"""What training a generator consists of; `train_gan.py` joins it."""
