"""Policies that ship with the package: data, read like any other policy file."""
