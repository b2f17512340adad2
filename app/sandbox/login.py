"""Logins of users: authorization codes, user tokens, and what an application reads with a user token."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias, TypeVar

from joserfc import jwt
from joserfc.jwk import RSAKey

from app.sandbox.changes import LiveWorld
from app.sandbox.endpoints import not_found
from app.sandbox.records import District, User, accounts_of, roles_held
from app.sandbox.serialization import Details, Link, email_of, name_of
from app.sandbox.versions import VERSIONS, Version

CODE_SECONDS, TOKEN_SECONDS, ID_TOKEN_SECONDS = 60, 24 * 3600, 3600

SENIORITY = ("district_admin", "staff", "teacher", "student", "contact")
"""The roles to log in with; a login without a chosen one is in the first that is held."""

UNVERSIONED = "v1.1"
"""The version of `/me` without a version."""

T = TypeVar("T")
_Expiring: TypeAlias = dict[str, tuple[float, T]]


@dataclass(frozen=True, slots=True)
class Login:
    """A login: who, in which role, and what the application asked for."""

    user: str
    district: str
    role: str | None
    scopes: tuple[str, ...] = ()
    nonce: str | None = None


@dataclass
class Logins:
    """The logins to a world, by authorization code and by user token, until these expire."""

    world: LiveWorld
    _codes: _Expiring[tuple[Login, str]] = field(default_factory=dict, init=False)
    _tokens: _Expiring[Login] = field(default_factory=dict, init=False)

    def code_for(self, login: Login, redirect_uri: str) -> str:
        """Return a code that can be redeemed once within a minute, with the same ``redirect_uri``."""
        return _keep(self._codes, (login, redirect_uri), secrets.token_hex(20), CODE_SECONDS, self.world.clock)

    def redeem(self, code: str, redirect_uri: str) -> Login | None:
        """Return the login of a code, which is used up.

        None for a code that is unknown, expired or of another URI, and for a user who was removed meanwhile.
        """
        until, (login, bound_to) = self._codes.pop(code, (0.0, (None, "")))
        if login is None or self.world.clock() >= until or redirect_uri != bound_to:
            return None
        return login if login.user in self.world.districts[login.district].users else None

    def token_for(self, login: Login) -> str:
        """Return a user token, which is valid for a day."""
        return _keep(self._tokens, login, f"ilc_{secrets.token_hex(20)}", TOKEN_SECONDS, self.world.clock)

    def of_token(self, token: str | None) -> Login | None:
        """Return the login of a user token; None for one that is unknown or expired."""
        until, login = self._tokens.get(token or "", (0.0, None))
        return login if self.world.clock() < until else None

    def user_of(self, login: Login) -> User:
        """Return the user of a login as they are now; raises the `Refusal` of a user who was removed."""
        user = self.world.districts[login.district].users.get(login.user)
        if user is None:
            raise not_found()
        return user

    def find(self, wanted: str, role: str | None = None) -> tuple[User, str | None] | None:
        """Return a user, and the role to log in with, by the name of a case, a user's id or an id before API 3.0.

        None if there is no such user, or they do not hold the ``role``.
        """
        case = self.world.start.cases.get(wanted)
        user = case.user if case else wanted
        for district in self.world.districts.values():
            if user in district.users:
                return _in_role(district.users[user], role)
            for one in district.all_users:
                accounts = {account.id: held for account in accounts_of(one) for held in account.roles}
                if user in accounts:
                    return _in_role(one, role or accounts[user])
        return None

    @cached_property
    def key(self) -> RSAKey:
        """The key that signs ID tokens."""
        return RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)

    def id_token_for(self, login: Login, *, issuer: str, client_id: str) -> str:
        """Return an ID token, which is valid for an hour."""
        now = int(self.world.clock())
        claims = {
            "iss": issuer,
            "aud": client_id,
            "iat": now,
            "exp": now + ID_TOKEN_SECONDS,
            "nonce": login.nonce,
            **identity_of(self.user_of(login), login.role),
        }
        header = {"alg": "RS256", "kid": self.key.kid}
        return jwt.encode(header, {name: value for name, value in claims.items() if value is not None}, self.key)


def _keep(entries: _Expiring[T], value: T, key: str, seconds: float, clock: Callable[[], float]) -> str:
    now = clock()
    for expired in [one for one, (until, _) in entries.items() if until <= now]:
        del entries[expired]
    entries[key] = now + seconds, value
    return key


def _in_role(user: User, role: str | None) -> tuple[User, str | None] | None:
    held = roles_of(user)
    return None if role and role not in held else (user, role or next(iter(held), None))


def roles_of(user: User) -> list[str]:
    """Return the roles that a user can log in with."""
    held = set(roles_held(user))
    return [role for role in SENIORITY if role in held]


def me_of(user: User, role: str | None, version: Version, district: District) -> Details:
    """Return `/me`: since API 3.0 the user, before it their account in the role that they logged in with.

    Version 1 returns the whole account. Raises the `Refusal` of an account that there was not.
    """
    record = _record_of(user, role, version)
    kind = version.collection_of(record).removesuffix("s")
    slim: Details = {"id": record.id, "district": user.district}
    known = version.fields_of(district, record) if version.name < "v2.0" else slim
    source = {"authorized_by": "district"} if version.name >= "v2.1" else {}
    links = [{"rel": rel, "uri": uri} for rel, uri in _links_of_me(record, version).items()]
    return {"type": kind, "data": {**known, "type": kind, **source}, "links": links}


def may_read(user: User, role: str | None, path: str) -> bool:
    """Whether a user token reads a path: `/me`, `/userinfo`, and what the `/me` of the path's version links to."""
    name = path.split("/")[1]
    if path in {"/me", "/userinfo", f"/{name}/me"}:
        return True
    version = VERSIONS.get(name)
    return version is not None and path in _links_of_me(_record_of(user, role, version), version).values()


def _links_of_me(record: User, version: Version) -> Link:
    district = f"/{version.name}/districts/{record.district}"
    return {"self": "/me", "canonical": version.uri_of(record), "district": district}


def _record_of(user: User, role: str | None, version: Version) -> User:
    """Return the record by which a version knows somebody who logged in."""
    record = user if version.name >= "v3.0" else _account_of(user, role)
    if record is None:
        raise not_found()
    return record


def _account_of(user: User, role: str | None) -> User | None:
    """Return the account that a user had in a role before API 3.0."""
    return next((one for one in accounts_of(user) if role in one.roles), None)


def userinfo_of(user: User, role: str | None) -> Details:
    """Return `/userinfo`: the user, and the role that they logged in with alone."""
    identity, schools = identity_of(user, role), user.ids_in(role or "", "schools")
    more = {"district_id": user.district, "name": name_of(user), "schools": schools, "authorized_by": "district"}
    return {**identity, **more}


def identity_of(user: User, role: str | None) -> Details:
    """Return the claims on a user that `/userinfo` and an ID token share."""
    name, account = name_of(user), _account_of(user, role)
    return {
        "sub": user.id,
        "user_id": account and account.id,
        "multi_role_user_id": user.id,
        "user_type": role,
        "district": user.district,
        "email": email_of(user),
        "email_verified": False,
        "given_name": name.get("first"),
        "family_name": name["last"],
    }
