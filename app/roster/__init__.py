"""What we know of Clever's people: what was read, how fresh it is, and who reads next."""
