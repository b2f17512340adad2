"""Files of policies and of policy tests: read, reloaded, run."""
