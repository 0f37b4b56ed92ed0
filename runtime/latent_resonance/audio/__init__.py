"""Signal processing shared by runtime and export: pure functions and small stages."""
