"""Rosterguard: what a Clever user may do, and where."""
