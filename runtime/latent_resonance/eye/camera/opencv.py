"""OpenCV, silent and on one thread; the eye's only module that imports it.

from latent_resonance.eye.camera.opencv import cv2
"""

from __future__ import annotations

import os

# OpenCV reads these when it is imported: no warnings on stderr, and a read from a USB camera that
# has stopped sending blocks for two seconds, not ten.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2")

import cv2  # after the environment it reads

__all__ = ["cv2"]

cv2.setNumThreads(1)  # scaling one image is not worth waking the other cores
