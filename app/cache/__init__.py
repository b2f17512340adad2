"""The cache: the memory of each process, and a Redis that all replicas share."""
