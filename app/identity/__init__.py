"""Adapters that tell who asks, by a key of this service or a token of an OpenID provider."""
