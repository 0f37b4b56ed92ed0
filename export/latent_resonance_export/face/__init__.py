"""Converts Google's face networks from TFLite to ONNX for the runtime.

tflite reads a file (sparse expands its sparse weights) → onnx_graph_builder builds the ONNX graph
(onnx_operators converts each operator, onnx_nodes collects the nodes) → convert compares both and
writes.
"""
