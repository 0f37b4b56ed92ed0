"""Generators that were trained elsewhere; nothing in their files is executed unless trusted.

A file:       weights_file (what it is by formats; what it holds by inert_pickle) -> state_dicts
Its network:  external_generator, from a function with a state dict, from stylegan_file, or from
              torchscript_file (read by torchscript_reader, of torchscript_ops)
A pack's:     adapter
"""
