"""Mirrors of the hub in a folder: what they need, how they are fetched, checked, and cut down to a part."""
