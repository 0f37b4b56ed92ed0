"""The light tracker: MediaPipe's face networks without MediaPipe's library.

region ↔ blazeface (where is a face?) → mesh (its 478 points) → pose (how is the head turned?),
put together in tracker; networks runs the two networks. It follows MediaPipe's graph step by step
(mediapipe/tasks/cc/vision/face_landmarker), so that a visitor is seen alike on every board.
"""
