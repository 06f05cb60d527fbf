"""The files of a model: fetched, read, hashed, merged."""
