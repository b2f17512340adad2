"""Authentication of callers by API keys or tokens of an OpenID provider."""
