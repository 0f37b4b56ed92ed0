"""How the eye sees visitors: figures of films and of clips (tests/bench/visitors.py)."""
