"""A Clever of our own: API 3.0 and 3.1 over HTTP, over districts that are generated from a seed."""
