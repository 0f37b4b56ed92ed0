"""A visitor whose mouth opens at known instants, and what a sound card hears of it."""
