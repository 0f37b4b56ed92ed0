"""The generators that can be trained, each with what judges it, behind one small protocol."""
