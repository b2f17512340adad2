"""What we know of Clever's people: cached snapshots, how fresh they are, and who fetches the next one."""
