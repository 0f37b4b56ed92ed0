"""The light tracker: MediaPipe's face networks without MediaPipe's library.

blazeface (face detection) → roi → face_mesh (478 landmarks) → pose (head rotation), combined in
tracker; session runs the two networks. It reproduces MediaPipe's graph step by step
(mediapipe/tasks/cc/vision/face_landmarker), so that features are the same on every board.
"""
