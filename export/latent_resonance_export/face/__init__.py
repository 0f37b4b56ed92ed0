"""The face networks: Google's TFLite files, written again as ONNX for the runtime.

tflite reads a file → onnx_graph writes it in other words → networks compares the two and keeps it.
"""
