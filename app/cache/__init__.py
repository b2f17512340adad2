"""Adapters for the port ``Cache``."""
