"""From a folder of recordings to a dataset of loops.

The signal path: recordings -> audio_reader -> segment -> loops -> clip_measures -> rejection, all
run by extract in a worker process; then collect (duplicates, split, licences) -> dataset, report.
"""
