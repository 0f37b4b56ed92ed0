"""Settings: their sections, presets and validation, and the YAML file that holds them."""
