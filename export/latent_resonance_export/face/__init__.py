"""Converts Google's face networks from TFLite to ONNX for the runtime.

tflite reads a file (sparse expands its sparse weights) → onnx_model builds the ONNX model
(onnx_operators converts each operator, onnx_graph_builder collects the nodes) → convert compares
both and writes.
"""
