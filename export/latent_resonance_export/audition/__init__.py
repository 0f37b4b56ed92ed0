"""The audition: a generator's quality beside real clips, as plots, as sound and in figures.

subject.py        what is auditioned: a pack or a run, and its dataset
metrics.py        the figures, by diversity.py, nearest_neighbour.py, tonality.py, seam.py, speed.py
listening_clips.py  a minute of real and of generated sound, by invert.py
figures.py        the plots
summary.py        the figures beside their targets; report.py: all of it on one page
run.py            the whole audition
"""
