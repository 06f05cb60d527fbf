"""Proof that the gate works: how often it cries wolf, what it sees, and what it makes of known accidents."""
