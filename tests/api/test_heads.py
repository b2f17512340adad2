"""Heads that are known: whatever is read of a packet without the parser is what the parser would read of it."""

from dataclasses import dataclass, field

import httptools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.api.heads import MOST_HEADS, Heads, Packet, head_of

TARGET = b"/v1/users/668262059155dac234000005/permissions"
CREDENTIAL = b"Bearer rg_secret"
CLIENT = [(b"Host", b"here"), (b"Accept", b"*/*"), (b"User-Agent", b"of a test"), (b"Authorization", CREDENTIAL)]
QUESTION = [*CLIENT, (b"Content-Type", b"application/json"), (b"Content-Length", b"7")]
BODY = b'{"a":1}'

Lines = list[tuple[bytes, bytes]]


def packet_of(lines: Lines, body: bytes = b"", method: bytes = b"GET", target: bytes = TARGET) -> bytes:
    fields = b"".join(b"%b: %b\r\n" % line for line in lines)
    return b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method, target, fields, body)


@dataclass
class Parsed:
    """What the parser says of a packet."""

    url: bytes = b""
    headers: Lines = field(default_factory=list)
    body: bytes = b""
    begun: int = 0
    ended: int = 0
    others_may_follow: bool = False
    parser: httptools.HttpRequestParser = field(init=False)

    def on_message_begin(self) -> None:
        self.begun += 1

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.others_may_follow = self.parser.should_keep_alive() and self.parser.get_http_version() == "1.1"

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.ended += 1


def parsed(packet: bytes) -> tuple[Packet, Lines] | None:
    """Return what the parser reads, where a packet is one whole request after which others may follow."""
    said = Parsed()
    parser = said.parser = httptools.HttpRequestParser(said)
    try:
        parser.feed_data(packet)
        method = parser.get_method()
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    head = head_of(said.headers)
    is_whole = said.begun == said.ended == 1 and said.others_may_follow
    return (Packet(method, said.url, head, said.body), said.headers) if is_whole and head is not None else None


def learnt(*packets: bytes) -> Heads:
    """Return heads that know those of these packets that can be known."""
    heads = Heads()
    for packet in packets:
        read = parsed(packet)
        if read is not None:
            heads.learn(packet, read[1], read[0].head, read[0].body)
    return heads


ASKED, POSTED = packet_of(CLIENT), packet_of(QUESTION, BODY, b"POST", b"/access/v1/evaluation")


@pytest.mark.parametrize(
    "packet", [ASKED, POSTED, packet_of(CLIENT[:3]), packet_of(CLIENT[::-1]), packet_of(QUESTION, BODY)]
)
def test_what_was_read_before_is_read_without_the_parser(packet: bytes) -> None:
    assert Heads().read(packet) is None
    read = parsed(packet)
    assert read is not None
    assert learnt(packet).read(packet) == read[0]


def test_target_credential_and_body_may_be_others() -> None:
    other = POSTED.replace(b"rg_secret", b"another one").replace(b'"a"', b'"b"').replace(b"evaluation", b"evaluations")
    read = learnt(POSTED).read(other)
    assert read is not None
    assert (read.target, read.head.credential, read.body) == (b"/access/v1/evaluations", b"another one", b'{"b":1}')


@pytest.mark.parametrize(
    "lines",
    [
        [*CLIENT, (b"X-Request-ID", b"mine")],
        [*CLIENT, (b"Cookie", b"a secret of somebody's")],
        [*CLIENT, (b"If-None-Match", b'"tag"')],
        [*CLIENT, (b"Accept", b"text/html")],
        [*CLIENT, (b"User-Agent", b"a" * 1024)],
        [(b"User-Agent", b"Bearer rg_secret"), CLIENT[0], CLIENT[3]],
        [*CLIENT[:3], (b"Authorization", b"Basic Bearer rg_secret")],
        [*CLIENT, (b"Connection", b"close")],
        [*CLIENT, (b"Transfer-Encoding", b"chunked")],
    ],
)
def test_what_is_no_plain_head_is_never_known(lines: Lines) -> None:
    assert learnt(packet_of(lines)).read(packet_of(lines)) is None


def test_a_body_of_another_length_is_for_the_parser() -> None:
    heads = learnt(ASKED, POSTED)
    assert [heads.read(packet) for packet in (POSTED[:-1], POSTED + b"x", ASKED + b"x", ASKED + ASKED)] == [None] * 4


def test_a_part_of_a_packet_is_for_the_parser() -> None:
    heads = learnt(ASKED, POSTED, packet_of([]))
    assert [heads.read(packet) is not None for packet in (ASKED, POSTED, packet_of([]))] == [True] * 3
    for packet in (ASKED, POSTED, packet_of([])):
        assert [heads.read(packet[:at]) for at in range(len(packet))] == [None] * len(packet)


def test_what_is_only_a_part_of_its_packet_is_not_known() -> None:
    read = parsed(POSTED)
    assert read is not None
    for packet in (ASKED + POSTED, POSTED + ASKED, POSTED[:-1]):
        heads = Heads()
        heads.learn(packet, read[1], read[0].head, BODY)
        assert [heads.read(each) for each in (ASKED, POSTED)] == [None, None]


def test_no_credential_is_kept() -> None:
    assert b"rg_secret" not in repr(vars(learnt(ASKED, POSTED))).encode()


def test_of_many_heads_some_are_known() -> None:
    packets = [packet_of([(b"Host", b"%d" % number)]) for number in range(MOST_HEADS + 1)]
    heads = learnt(*packets)
    assert [heads.read(packet) is not None for packet in packets] == [False] * MOST_HEADS + [True]


IN_LINES = b"\r|\n|\r\n|\r\n\r\n| |\t|:|,|?|%|#|\0|\x7f|\x80|0|a|HTTP/1.0|Bearer |Authorization: ".split(b"|")
LINES = b"Expect: 100-continue|Content-Length: 7|Transfer-Encoding: chunked|Connection: close|Upgrade: h2c".split(b"|")
SOMETHING = st.sampled_from([b"", *IN_LINES, *(line + b"\r\n" for line in LINES), ASKED, POSTED])


@st.composite
def somewhat_changed(draw: st.DrawFn) -> bytes:
    """A good request, with something put in here and there, or in the place of something."""
    packet = draw(st.sampled_from([ASKED, POSTED, packet_of(CLIENT[::-1]), packet_of(CLIENT[:3])]))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(packet)))
        packet = packet[:at] + draw(SOMETHING | st.binary(max_size=3)) + packet[at + draw(st.integers(0, 20)) :]
    return packet


@settings(derandomize=True, max_examples=600, deadline=None)
@given(st.lists(somewhat_changed(), max_size=3), somewhat_changed())
@example([ASKED], ASKED.replace(b"rg_secret", b"rg\nExpect: 100-continue"))
@example([ASKED], ASKED.replace(b"rg_secret", b"rg_secret "))
@example([ASKED], ASKED[:-4])
@example([b"\r\n" + ASKED], ASKED.partition(b"\r\n")[0] + b"\r\n" + ASKED)
@example([packet_of([*CLIENT[:3], (b"Authorization", b"Bearer x")])], packet_of([*CLIENT[:3], (b"Authorization", b"")]))
def test_nothing_is_read_that_the_parser_would_not_read(before: list[bytes], packet: bytes) -> None:
    read = learnt(ASKED, POSTED, *before, packet).read(packet)
    if read is not None:
        said = parsed(packet)
        assert said is not None
        assert read == said[0]
