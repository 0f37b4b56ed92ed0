"""What a generator is worth: real beside generated, as pictures, as sound and in figures.

subject.py     what is auditioned: a pack or a run, and its dataset
figures.py     `measure`, by diversity.py, nearest.py, tonality.py, seam.py and speed.py
minutes.py     a minute of sound of each, by sound.py
sheets.py      the pictures, on canvas.py
verdict.py     the figures beside what is owed; page.py: all of it on one page
perform.py     the whole audition, by folder.py in one piece
"""
