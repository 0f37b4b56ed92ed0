"""The instrument's load on a gallery's processor, counted and predicted, for `instructions.sh`."""
