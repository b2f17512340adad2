"""The rules of permissions, as pure code: no I/O, no clock, no logging."""
