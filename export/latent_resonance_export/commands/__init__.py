"""The workshop's commands, a module each; heavy libraries are imported inside."""
