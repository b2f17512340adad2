"""The HTTP surface: parse, ask one service, render."""
