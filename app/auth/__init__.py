"""Who asks: API keys, and tokens of an OpenID provider."""
