"""Recordings in a folder: what each file is, its samples, its author and licence.

The files:    find
What it is:   probe, by content, chained_file, unfinished_header, audio_file (libsndfile) and
              ffmpeg -> recording
Its samples:  audio_reader, in blocks, by channels
Its licence:  licences
"""
