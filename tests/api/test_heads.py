"""Heads of known forms: whatever is read of a packet without the parser is what the parser would read of it."""

from dataclasses import dataclass, field

import httptools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.api.heads import Form, Forms, Head, Headers, Packet, head_of

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


@dataclass
class Learnt:
    """Forms, and those of packets that were seen often enough to have one."""

    known: Forms = field(default_factory=Forms)
    forms: list[Form] = field(default_factory=list)

    def learn(self, packet: bytes, headers: Headers, body: bytes) -> None:
        """Take a packet for one of which the parser has read this, as often as needed."""
        head = head_of(headers) or Head(None, is_json=False)
        found = [self.known.form(packet, headers, head, body) for _ in range(2)]
        self.forms += [form for form in found if form is not None]

    def read(self, packet: bytes) -> Packet | None:
        read = [form.read(packet) for form in self.forms]
        return next((each for each in read if each is not None), None)


def learnt(*packets: bytes) -> Learnt:
    """Return the forms of those of these packets that have one."""
    learnt = Learnt()
    for packet in packets:
        read = parsed(packet)
        if read is not None:
            learnt.learn(packet, read[1], read[0].body)
    return learnt


ASKED, POSTED = packet_of(CLIENT), packet_of(QUESTION, BODY, b"POST", b"/access/v1/evaluation")
NAMED = packet_of([*CLIENT, (b"X-Request-ID", b"mine"), (b"If-None-Match", b'"tag"'), (b"traceparent", b"00-a-b-01")])


@pytest.mark.parametrize(
    "packet", [ASKED, POSTED, NAMED, packet_of(CLIENT[:3]), packet_of(CLIENT[::-1]), packet_of(QUESTION, BODY)]
)
def test_what_was_read_before_is_read_without_the_parser(packet: bytes) -> None:
    read = parsed(packet)
    assert read is not None
    assert learnt(packet).read(packet) == read[0]


def test_target_and_what_is_said_of_the_one_request_may_be_others() -> None:
    other = POSTED.replace(b"rg_secret", b"another one").replace(b'{"a":1}', b'{"b":12}').replace(b": 7", b": 8")
    read = learnt(POSTED).read(other.replace(b"evaluation", b"evaluations"))
    assert read is not None
    assert (read.target, read.head.credential, read.body) == (b"/access/v1/evaluations", b"another one", b'{"b":12}')
    read = learnt(NAMED).read(NAMED.replace(b"mine", b"mine:2").replace(b'"tag"', b'W/"gat"').replace(b"a-b", b"c-d"))
    assert read is not None
    assert (read.head.held, read.head.names) == (
        b'W/"gat"',
        ((b"x-request-id", b"mine:2"), (b"traceparent", b"00-c-d-01")),
    )


@pytest.mark.parametrize(
    "lines",
    [
        [*CLIENT[:3], (b"Authorization", b"Basic Bearer rg_secret")],
        [*CLIENT[:3], (b"Authorization", b"Bearer rg_secret ")],
        [*CLIENT, (b"If-None-Match", b'"a", "b"')],
        [*CLIENT, (b"X-Request-ID", b"a" * 257)],
        [*CLIENT, (b"traceparent", b"")],
    ],
)
def test_what_is_said_in_an_odd_way_is_for_the_parser(lines: Lines) -> None:
    assert learnt(packet_of(lines)).read(packet_of(lines)) is None


@pytest.mark.parametrize(
    "line", [(b"Cookie", b"a secret of somebody's"), (b"User-Agent", b"a" * 1536), (b"Transfer-Encoding", b"chunked")]
)
def test_what_may_be_anything_has_no_form(line: tuple[bytes, bytes]) -> None:
    assert learnt(packet_of([CLIENT[0], line])).forms == []


def test_what_the_parser_has_read_otherwise_has_no_form() -> None:
    forms = Learnt()
    for headers in ([(b"host", b"here")], [(b"host", b"here"), (b"expect", b"100-continue")]):
        forms.learn(packet_of([(b"Host", b"here"), (b"Accept", b"*/*")]), headers, b"")
    assert forms.forms == []


@pytest.mark.parametrize("lines", [[*CLIENT, (b"Accept", b"text/html")], [*CLIENT, (b"Connection", b"close")]])
def test_what_is_never_at_hand_is_never_learnt(lines: Lines) -> None:
    assert parsed(packet_of(lines)) is None


def test_a_body_of_another_length_than_is_said_is_for_the_parser() -> None:
    forms = learnt(ASKED, POSTED)
    assert [forms.read(packet) for packet in (POSTED[:-1], POSTED + b"x", ASKED + b"x", ASKED + ASKED)] == [None] * 4


def test_a_part_of_a_packet_is_for_the_parser() -> None:
    forms = learnt(ASKED, POSTED, NAMED, packet_of([]))
    for packet in (ASKED, POSTED, NAMED, packet_of([])):
        assert forms.read(packet) is not None
        assert [forms.read(packet[:at]) for at in range(len(packet))] == [None] * len(packet)


def test_what_is_only_a_part_of_its_packet_has_no_form() -> None:
    read = parsed(POSTED)
    assert read is not None
    for packet in (ASKED + POSTED, POSTED + ASKED, POSTED[:-1]):
        forms = Learnt()
        forms.learn(packet, read[1], BODY)
        assert [forms.read(each) for each in (ASKED, POSTED)] == [None, None]


def test_nothing_that_is_another_each_time_is_kept() -> None:
    kept = repr([learnt(ASKED, POSTED, NAMED).known._known]).encode()  # noqa: SLF001 -- what is kept is meant
    assert all(said not in kept for said in (b"rg_secret", b"mine", b"tag", TARGET))


def seen(forms: Forms, packet: bytes) -> Form | None:
    read = parsed(packet)
    assert read is not None
    return forms.form(packet, read[1], read[0].head, read[0].body)


def test_what_is_seen_once_has_no_form_yet() -> None:
    forms = Forms()
    found = [seen(forms, ASKED.replace(b"rg_secret", said)) for said in (b"one", b"another one", b"a third")]
    assert found[0] is None is not found[1] is found[2]


def test_of_many_forms_some_are_known() -> None:
    forms = Forms(most=2)
    found = [seen(forms, packet_of([(b"Host", host)])) for host in (b"a", b"b", b"a", b"b", b"c", b"c", b"a")]
    assert [form is not None for form in found] == [False, False, True, True, False, True, False]


IN_LINES = b"\r|\n|\r\n|\r\n\r\n| |\t|:|,|?|%|#|\0|\x7f|\x80|0|a|HTTP/1.0|Bearer |Authorization: ".split(b"|")
LINES = b"Expect: 100-continue|Content-Length: 7|Transfer-Encoding: chunked|Connection: close|Upgrade: h2c".split(b"|")
SOMETHING = st.sampled_from([b"", *IN_LINES, *(line + b"\r\n" for line in LINES), ASKED, POSTED, NAMED])


@st.composite
def somewhat_changed(draw: st.DrawFn) -> bytes:
    """A good request, with something put in here and there, or in the place of something."""
    packet = draw(st.sampled_from([ASKED, POSTED, NAMED, packet_of(CLIENT[::-1]), packet_of(CLIENT[:3])]))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(packet)))
        packet = packet[:at] + draw(SOMETHING | st.binary(max_size=3)) + packet[at + draw(st.integers(0, 20)) :]
    return packet


@settings(derandomize=True, max_examples=600, deadline=None)
@given(st.lists(somewhat_changed(), max_size=3), somewhat_changed())
@example([ASKED], ASKED.replace(b"rg_secret", b"rg\nExpect: 100-continue"))
@example([ASKED], ASKED.replace(b"rg_secret", b"rg_secret "))
@example([ASKED], ASKED[:-4])
@example([NAMED], NAMED.replace(b"mine", b"mine "))
@example([POSTED], POSTED.replace(b": 7", b": 07"))
@example([POSTED], POSTED.replace(b": 7", b": +7"))
@example([ASKED], ASKED.replace(b"GET", b"POST", 1))
@example([b"\r\n" + ASKED], ASKED.partition(b"\r\n")[0] + b"\r\n" + ASKED)
@example([packet_of([*CLIENT[:3], (b"Authorization", b"Bearer x")])], packet_of([*CLIENT[:3], (b"Authorization", b"")]))
def test_nothing_is_read_that_the_parser_would_not_read(before: list[bytes], packet: bytes) -> None:
    read = learnt(ASKED, POSTED, NAMED, *before, packet).read(packet)
    if read is not None:
        said = parsed(packet)
        assert said is not None
        assert read == said[0]
