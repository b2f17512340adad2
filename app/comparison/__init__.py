"""What changes for users between two states: two policies, or accounts from before API 3.0 and users of today."""
