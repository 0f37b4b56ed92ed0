"""What the instrument costs a gallery's processor, counted and predicted, for `instructions.sh`."""
