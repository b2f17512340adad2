"""OpenID AuthZEN Authorization API 1.0 (openid.net/specs/authorization-api-1_0.html), over the service's decisions."""
