"""The networks that can be trained: generators, encoders and discriminators."""
