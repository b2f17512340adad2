"""What is true of permissions, whoever asks and wherever facts come from: pure, without I/O, clock or logging."""
