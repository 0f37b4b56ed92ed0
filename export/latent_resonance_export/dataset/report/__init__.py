"""What a curation says of its result: a page, tables, sounds to listen to, and warnings.

page, from listening_examples and advice (the warnings); tables lie beside it.
"""
