"""Use cases: each gathers the facts that it needs, asks the engine once, and returns a value."""
