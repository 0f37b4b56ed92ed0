"""From a folder of recordings to a dataset of loops; `curate.py` runs the steps in order.

A file:       recordings/ (what it is, its samples, its licence)
Its loops:    extract, in a worker process (worker_pool): recordings/audio_reader (blocks of
              samples) -> segment (where loops begin) -> loops, one_shots -> clip_measures ->
              rejection
All of them:  collect (duplicates, split, kinds) -> dataset (the files) -> report/ (a page,
              tables, sounds, warnings)

settings.py and result.py hold what goes in and what comes out. fluidsynth_corpus.py composes
recordings instead.
"""
