"""From accounts before API 3.0, one for each role, to its users, who hold several."""
