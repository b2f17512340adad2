"""Who a caller is: by an API key, or by a token of an OpenID provider."""
