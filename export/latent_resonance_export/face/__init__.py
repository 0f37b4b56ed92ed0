"""Converts Google's face networks from TFLite to ONNX for the runtime.

tflite reads a file → onnx_graph_builder builds the ONNX graph → convert compares both and writes.
"""
