"""The networks of both trackers, and the ONNX tracker's landmarks, without MediaPipe's library.

detector and blazeface (where faces are) → landmarker and face_mesh (478 landmarks of one) →
blendshapes (the expression); session runs the three networks, but on ARM the landmark network runs
in `eye/tracking/litert.py`. MediaPipe's graph is reproduced step by step
(mediapipe/tasks/cc/vision/face_landmarker), so that features are the same on every board.
"""
