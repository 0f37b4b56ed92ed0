"""Training of the GAN: the loop is in `train.py`.

models/            the networks, by name in registry.py
hyperparameters.py, losses.py, energy_distance.py, augment.py, ema.py   one step
observer.py        what is evaluated and logged beside it: validation.py, metrics.py, logging.py
early_stopping.py  when it ends
run.py             the folder of a run; checkpoint.py, and warm_start.py from another run or pack
device.py          GPU or CPU, and several processes
"""
