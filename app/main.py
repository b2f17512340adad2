"""Puts the application together: the one module that knows every concrete part."""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from importlib import resources
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypedDict

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from pydantic import SecretStr
from starlette.requests import ClientDisconnect

from app import policy_files
from app.api import changes, districts, errors, explanation, health, legacy_ids, openapi, permissions, policy, roles
from app.api.authentication import AuthenticationMiddleware, allowed
from app.api.authzen import evaluation, metadata, search
from app.api.fast_connection import FastConnection
from app.api.fast_path import FastPath
from app.api.middleware import BodyLimit, BulkLimit, RequestHeadMiddleware, RequestMiddleware
from app.api.security_headers import shared_with
from app.authentication import authentication_of
from app.cache.memory import MemoryCache
from app.clever.client import CleverClient, connect
from app.domain.callers import CallerScope
from app.domain.ids import IdShape
from app.domain.policy import Policy
from app.domain.snapshot import Snapshot
from app.observability import Observability, measured
from app.policy_files.reload import ActivePolicy, policy_watch
from app.policy_files.yaml import read_policy
from app.roster.district import Whom
from app.roster.following import Following
from app.roster.loading import Loading, NoOthers
from app.roster.ports import Clever, Clock
from app.roster.roster import Deadlines, Roster
from app.roster.single_flight import Fetches
from app.roster.store import Key, Store
from app.services.decision_point import DecisionLog, DecisionPoint, decision_point
from app.settings import Settings, SettingsMistakes
from app.telemetry.log_writer import Sink
from app.waiting import cancel

if TYPE_CHECKING:
    from app.cache.redis import SharedCache

MOST_BODY_BYTES = 64 * 1024
MOST_BODY_BYTES_AT = {evaluation.EVALUATIONS_PATH: 4 * 1024 * 1024}
MOST_BULK_REQUESTS = 16
BULK_PATHS = {
    evaluation.EVALUATIONS_PATH: CallerScope.ACCESS_EVALUATE,
    f"{permissions.router.prefix}/permissions": CallerScope.PERMISSIONS_READ,
}
BULK_BELOW = {f"{search.router.prefix}/": CallerScope.ACCESS_SEARCH}
SECRET_BYTES = 32
CACHE_PLACES = 300_000
"""Sections, schools and people in lists, each of which takes some 650 bytes."""
CACHE_GONE = CACHE_OUTDATED = 10_000
GONE_SECONDS = 10
"""How long it is remembered that there is no such user; whoever is created meanwhile waits for as long."""

# The framework's own would record validation errors, and with them what callers sent.
NO_TELEMETRY = TelemetryConfig(tracing=False, metrics=False, logs=False, operation_spans=False, auto_configure=False)

_DESCRIPTION = """\
Rosterguard answers one question for the backends of a school application: **what may this Clever user do, and where?**
It reads the user, their sections and their schools from the Clever API, keeps the facts for a while, and computes from
them, by a policy file, a set of grants: permissions, and the places where they hold.

Every call that shows a lock needs `Authorization: Bearer <API key>`, or an access token of the OpenID provider that the
service is told of. Errors are `application/problem+json` (RFC 9457), each with a stable `type`; below `/access` and
`/.well-known`, where the standard knows no other form, they are a message in `text/plain`.
Answers say how old they are (`Age`, `Cache-Control`, `ETag`), and `Cache-Control` in a request says how recent they
have to be: `max-age`, `no-cache`, `max-stale`, `only-if-cached`. An answer older than the fresh time says `stale`.
"""


class State(TypedDict):
    """What requests find in ``request.state``."""

    active_policy: ActivePolicy
    fast_path: FastPath
    clever: Clever
    loading: Loading
    following: Following
    authentication: Mapping[str, Callable[[], str]]
    measure: Callable[[], None]
    loopback_only: bool
    """Whether only requests to a name of this machine are answered."""
    by_origin: bool
    """Whether pages of other sites may read answers."""


def create_app(  # noqa: PLR0913 -- the settings, and what only a test or a command decides
    settings: Settings,
    *,
    no_auth: bool = False,
    several_workers: bool = False,
    own_url: str | None = None,
    clock: Clock = time.monotonic,
    wall: Clock = time.time,
    requests_to: Sink | None = None,
) -> FastAPI:
    """Put the application together; its policy file is read when it starts, and while it runs.

    Args:
        settings: as read at start.
        no_auth: whether anyone may ask, for trying it out on loopback.
        several_workers: whether other processes serve the same address.
        own_url: where the service listens, if that is loopback; it names itself so unless the settings name it.
        clock: seconds that only go forward; by it snapshots age.
        wall: Unix seconds.
        requests_to: where a line is written for each request; None for nowhere.

    Raises:
        SettingsMistakes: a setting that shows its mistake only here, such as a token that no header can carry; or
            neither API keys nor ``no_auth`` were given, or both were.
    """
    authentication = authentication_of(settings, no_auth=no_auth, clock=clock, wall=wall)
    client, tier = clever_client(settings, clock, wall), _shared(settings, wall)
    observability = Observability(settings, requests_to=requests_to, wall=wall)
    parts = {**authentication.parts} if tier is None else {**authentication.parts, "redis": tier.state}

    ends: list[Callable[[], None]] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        async with (
            authentication.open(),
            observability.open() as decision_log,
            _roster(settings, client, clock, wall, tier) as roster,
            _whole_districts(settings, roster, tier, several_workers=several_workers) as (loading, following),
            _policy(settings, _decision_point_by(settings, roster, decision_log)) as active_policy,
            measured(active_policy, client, parts, observability.access_log) as measure,
        ):
            ends.append(following.stop)
            yield State(
                active_policy=active_policy,
                fast_path=FastPath(
                    active_policy, authentication.known, observability.access_log, by_origin=bool(settings.cors_origins)
                ),
                clever=client,
                loading=loading,
                following=following,
                authentication=parts,
                measure=measure,
                loopback_only=no_auth,
                by_origin=bool(settings.cors_origins),
            )

    app = _described(lifespan)
    app.add_middleware(BodyLimit, most_bytes=MOST_BODY_BYTES, most_bytes_at=MOST_BODY_BYTES_AT)
    app.add_middleware(BulkLimit, most=MOST_BULK_REQUESTS, paths=BULK_PATHS, below=BULK_BELOW)
    app.add_middleware(AuthenticationMiddleware, caller_of=authentication.caller_of)
    errors.install(app)
    app.add_exception_handler(ClientDisconnect, errors.left_early)
    _route(app, settings.public_url or own_url)
    openapi.install(app)
    shared = shared_with(settings.cors_origins, app.build_middleware_stack())
    app.middleware_stack = RequestMiddleware(
        RequestHeadMiddleware(shared, loopback_only=no_auth),
        observability.access_log,
        {openapi.PATH: openapi.protection()},
        by_origin=bool(settings.cors_origins),
    )
    app.state.protocol = FastConnection

    def stop() -> None:
        parts[health.PROCESS] = lambda: "stopping"
        for end in ends:
            end()

    app.state.stop = stop
    return app


def _described(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[State]]) -> FastAPI:
    """Return an application without any path, as its reference describes it."""
    return FastAPI(
        title="Rosterguard",
        version=version("rosterguard"),
        summary="What a Clever user may do, and where.",
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )


def _route(app: FastAPI, public_url: str | None) -> None:
    """Include all routers, each with the scope that its callers need, and those that need none."""
    for router, scope in (
        (permissions.router, CallerScope.PERMISSIONS_READ),
        (roles.router, CallerScope.PERMISSIONS_READ),
        (legacy_ids.router, CallerScope.PERMISSIONS_READ),
        (explanation.router, CallerScope.PERMISSIONS_READ),
        (evaluation.router, CallerScope.ACCESS_EVALUATE),
        (search.router, CallerScope.ACCESS_SEARCH),
        (districts.router, CallerScope.PERMISSIONS_READ),
        (changes.router, CallerScope.PERMISSIONS_READ),
        (districts.load_router, CallerScope.DISTRICTS_LOAD),
        (policy.router, CallerScope.POLICY_READ),
        (health.metrics_router, CallerScope.METRICS_READ),
    ):
        app.include_router(router, dependencies=allowed(scope))
    app.include_router(health.router)
    app.include_router(metadata.router_for(public_url))


def policy_in(settings: Settings) -> Policy:
    """Read the policy that the settings name, or the default one; raises ``PolicyMistakes`` or ``SettingsMistakes``."""
    if settings.policy is None:
        return read_policy(default_policy())
    try:
        return read_policy(settings.policy.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsMistakes([f"ROSTERGUARD_POLICY: the file cannot be read: {type(error).__name__}"]) from error


def default_policy() -> str:
    """Return the text of the policy that ships with the package."""
    return resources.files(policy_files).joinpath("default.yaml").read_text(encoding="utf-8")


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def clever_client(settings: Settings, clock: Clock = time.monotonic, wall: Clock = time.time) -> CleverClient:
    """Make the client, which sends nothing yet; raises ``SettingsMistakes`` with what it says of the settings."""
    try:
        return connect(
            url=settings.clever_url,
            version=settings.clever_version,
            auth_url=settings.clever_auth_url,
            token=_revealed(settings.clever_token),
            client_id=settings.clever_client_id,
            client_secret=_revealed(settings.clever_client_secret),
            id_shape=id_shape(settings),
            clock=clock,
            wall=wall,
            caller_share=settings.caller_share,
        )
    except ValueError as error:
        raise SettingsMistakes([f"ROSTERGUARD_CLEVER_…: {error}"]) from error


def _shared(settings: Settings, wall: Clock) -> "SharedCache | None":
    """Make the shared cache, which connects later; None without one, and then its library is not imported."""
    url, secret = _revealed(settings.redis_url), _revealed(settings.secret)
    if url is None or secret is None:
        return None
    if find_spec("redis") is None:
        raise SettingsMistakes(["ROSTERGUARD_REDIS_URL: this needs what is not installed: install rosterguard[redis]"])
    from app.cache.redis import SharedCache  # noqa: PLC0415 -- the extra's

    keep, timeout = _keep_seconds(settings), settings.redis_deadline_seconds
    # Before API 3.0 an id stands for something else: what was read by another version must never be found.
    secret = f"{secret} {settings.clever_version}"
    return SharedCache(url, secret=secret.encode(), keep_seconds=keep, timeout=timeout, wall=wall)


def _keep_seconds(settings: Settings) -> int:
    return max(settings.fresh_seconds, settings.stale_seconds)


def _weight(snapshot: Snapshot[Any]) -> int:
    return 1 + len(snapshot.facts) if isinstance(snapshot.facts, tuple) else 1


def id_shape(settings: Settings) -> IdShape:
    """Return the shape of Clever's ids."""
    return IdShape(re.compile(settings.id_pattern))


@asynccontextmanager
async def _policy(
    settings: Settings, decision_point_by: Callable[[Policy], DecisionPoint]
) -> AsyncIterator[ActivePolicy]:
    active_policy = ActivePolicy(decision_point_by)
    if settings.policy is None:
        active_policy.take(read_policy(default_policy()))
        yield active_policy
        return
    async with policy_watch(settings.policy, active_policy).looking():
        yield active_policy


@asynccontextmanager
async def _roster(
    settings: Settings, client: CleverClient, clock: Clock, wall: Clock, shared: "SharedCache | None"
) -> AsyncIterator[Roster]:
    keep_seconds = _keep_seconds(settings)
    store = Store(
        users=MemoryCache(most=settings.cache_users, keep_seconds=keep_seconds, clock=clock),
        places=MemoryCache(most=CACHE_PLACES, keep_seconds=keep_seconds, clock=clock, size_of=_weight),
        gone=MemoryCache(most=CACHE_GONE, keep_seconds=GONE_SECONDS, clock=clock),
        outdated=MemoryCache(most=CACHE_OUTDATED, keep_seconds=keep_seconds, clock=clock),
        clock=clock,
        wall=wall,
        fresh_seconds=settings.fresh_seconds,
    )
    fetches = Fetches(client, store)
    connecting = asyncio.create_task(client.keep_connected())
    async with nullcontext() if shared is None else shared.open(store.drop_user):
        try:
            yield Roster(
                clever=client,
                store=store,
                fetches=fetches,
                id_shape=id_shape(settings),
                stale_seconds=settings.stale_seconds,
                deadlines=Deadlines(alone=settings.deadline_seconds, many=settings.batch_deadline_seconds),
                shared=shared,
            )
        finally:
            connecting.cancel()
            await asyncio.gather(connecting, fetches.aclose(), return_exceptions=True)
            await client.aclose()


@asynccontextmanager
async def _whole_districts(
    settings: Settings, roster: Roster, shared: "SharedCache | None", *, several_workers: bool
) -> AsyncIterator[tuple[Loading, Following]]:
    """Load the districts that the settings name and those that callers want to have loaded, and follow them."""
    store = roster.store
    following = Following(
        clever=roster.clever,
        publish=store.put_district,
        withdraw=store.drop_district,
        calendar_changed=lambda district: store.drop(Key("calendar", district)),
        clock=store.clock,
        wall=store.wall,
        seconds=settings.events_seconds,
        fresh_seconds=settings.fresh_seconds,
        stream=None if shared is None else shared.events,
    )
    loading = Loading(
        clever=roster.clever,
        store=store,
        whom=Whom(settings.load_whom),
        hand_over=following.take,
        take_back=following.drop,
        turns=NoOthers() if shared is None else shared,
        is_one_of_several=several_workers and shared is None,
    )
    following.load_again = loading.start
    if shared is not None:
        shared.on_load(loading.start_unless_newer)
    keeping = asyncio.create_task(loading.keep_loaded(None if "all" in settings.load else settings.load))
    try:
        yield loading, following
    finally:
        await cancel((keeping,))
        await loading.aclose()
        await following.aclose()


def _decision_point_by(
    settings: Settings, roster: Roster, decision_log: DecisionLog
) -> Callable[[Policy], DecisionPoint]:
    return partial(
        decision_point,
        roster,
        decision_log=decision_log,
        reasons=settings.reasons == "on",
        secret=(_revealed(settings.secret) or secrets.token_hex(SECRET_BYTES)).encode(),
    )
