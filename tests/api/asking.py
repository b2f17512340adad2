"""What callers ask, as they write it: questions that are at hand once they were asked, and those that never are."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Template

import httpx
from hypothesis import strategies as st

from app.main import default_policy
from app.sandbox.world import World
from tests.conftest import KEY

ON_CONDITIONS = """\
    - {allow: [section:archive], over: sections, unless: {resource.status: [archived]}}
    - {allow: [section:reopen], over: sections, when: {resource.status: [archived]}}
"""
ALIASES = "\naliases: {classroom: section, identity: user, org: district}\n"
POLICY = default_policy().replace("  teacher:\n", f"  teacher:\n{ON_CONDITIONS}") + ALIASES

Headers = Mapping[str, str]

BY_ROUTE: Headers = {"Cache-Control": "no-transform"}
"""Means nothing to us, and so has the route answer."""

OTHER_EACH_TIME = {"x-request-id", "date"}


def told(answer: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    headers = [header for header in sorted(answer.headers.items()) if header[0] not in OTHER_EACH_TIME]
    return answer.status_code, answer.content, headers


CREDENTIAL = {"Authorization": f"Bearer {KEY}"}
JSON = {"Content-Type": "application/json"}
USUAL = CREDENTIAL | JSON
EVALUATION, EVALUATIONS, PERMISSIONS, SUBJECT_SEARCH = (
    "/access/v1/evaluation",
    "/access/v1/evaluations",
    "/v1/users/$teacher/permissions",
    "/access/v1/search/subject",
)
HEXADECIMAL = "0123456789abcdef01234567"


def question(
    who: str = "$teacher", what: str = "edit", kind: str = "section", which: str = "$section", district: str = ""
) -> str:
    properties = f',"properties":{{"district":{district}}}' if district else ""
    subject, resource = f'{{"type":"user","id":"{who}"{properties}}}', f'{{"type":"{kind}","id":"{which}"}}'
    return f'{{"subject":{subject},"action":{{"name":"{what}"}},"resource":{resource}}}'


def questions(*items: str, beside: str = "") -> str:
    return f'{{{beside}"evaluations":[{",".join(items)}]}}'


WHOLE = question()
BESIDE = WHOLE.removeprefix("{").removesuffix("}") + ","

PLAIN = [
    WHOLE,
    f"  {WHOLE}\r\n\t".replace(":", " : "),
    question(what="view"),
    question(what="section:edit", which="$foreign"),
    question(what="classroom:edit", kind="classroom"),
    question(what="archive"),
    question(what="reopen"),
    question(what="view", kind="school", which="$school"),
    question("$staff", "view", "school", "$school"),
    question("$staff", "view", which="$foreign"),
    question("$staff", "view", "student", "$student"),
    question("$teacher", "view", "student", "$student"),
    question("$contact", "view", "student", "$student"),
    question("$nothing", "view", "student", "f" * 24),
    question("$student", "view", "user", "$student"),
    question("$student", "view", "user", "$teacher"),
    question("$student", "view", "identity", "$student"),
    question("$admin", "view", "org", "$district"),
    WHOLE.replace('"user"', '"identity"'),
    question("$admin", "view", "district", "$district"),
    question("$admin", "school:view", "district", "$district", district='"$district"'),
    question(district='"$district"'),
]
"""Questions that are at hand once they have been asked."""

NOT_PLAIN = [
    question("f" * 24),
    question("jane"),
    question(""),
    question("a/b"),
    question("$section"),
    question(what="fly"),
    question(what=""),
    question(what=":"),
    question(what="district:view"),
    question(what="view", which="f" * 24),
    question(what="view", which="jane"),
    question("$admin", "view", "district", "f" * 24),
    question("$staff", "view", "student", "$teacher"),
    question("$teacher", "grade", "assignment", "a1"),
    question("$student", "grade", "assignment", HEXADECIMAL),
    question("$student", "assignment:grade", "jane", "jane"),
    *(question(district=said) for said in ("null", "7", '"jane"', f'"{"f" * 24}"', "{}", '"$district","a":1')),
    WHOLE.replace('"user"', '"group"'),
    WHOLE.replace('"user"', '"classroom"'),
    question(district='"$district"').replace('"district"', '"org"'),
    WHOLE.replace('"user"', "null"),
    WHOLE.replace('"edit"', "7"),
    WHOLE.replace('"edit"', '"edit","properties":{}'),
    WHOLE.replace('"edit"', '"edit","a":null'),
    WHOLE.replace('"section"', '"section","properties":{"section":"$section"}'),
    WHOLE.replace('"section"', '"section","properties":null'),
    WHOLE.replace('"user"', '"user","a":1'),
    WHOLE.replace('"user"', '"user","properties":{}'),
    WHOLE.replace('"user"', '"user","properties":null'),
    *(WHOLE.replace('"user"', f'"user","{name}":"$staff"') for name in ("id", "type")),
    WHOLE.replace('"edit"', '"view","name":"edit"'),
    WHOLE.replace('"section"', '"school","type":"section"'),
    question(district='"$district","district":"$district"'),
    WHOLE.replace('{"subject"', '{"subject":null,"subject"'),
    WHOLE.replace('{"subject"', '{"action":{"name":"view"},"subject"'),
    *(f'{{"{name}":{said},{BESIDE[:-1]}}}' for name, said in (("context", "{}"), ("context", "null"), ("a", "1"))),
    f'{{"context":{{"role_context":"staff"}},{BESIDE[:-1]}}}',
    WHOLE.replace("edit", r"\u0065dit"),
    WHOLE.replace('"edit"', r'"edit\""'),
    question(what="view", kind="school", which="x").replace('"id":"x"', r'"id":"x","id":"\u0022\u0022\u0022\u0022"'),
    WHOLE.replace('"name"', r'"n\u0061me"'),
    WHOLE.replace("edit", "ed\udcff"),
    WHOLE.replace("name", "\udcff"),
    WHOLE.replace("edit", "ed\nit"),
    WHOLE.replace("edit", "edit\0"),
    f"\ufeff{WHOLE}",
    f"{WHOLE} {WHOLE}",
    f"{WHOLE},",
    f"{WHOLE}\0",
    f"\f{WHOLE}",
    f"{WHOLE[:-1]},}}",
    WHOLE[:-1],
    f"[{WHOLE}]",
    *("", " ", "{}", "[]", "null", "7", '"a"', "NaN", "{" * 100),
    *(f"{{{','.join(BESIDE[:-1].split(',', 2)[:parts])}}}" for parts in (1, 2)),
]
"""Questions that go the whole way, each for another reason."""

PLAIN_MANY = [
    questions(WHOLE),
    questions("{}", beside=BESIDE),
    questions("{}", '{"action":{"name":"view"}}', question("$student", "view", "user", "$student"), beside=BESIDE),
    questions(
        *(f'{{"resource":{{"type":"section","id":"${which}"}}}}' for which in ("section", "foreign")), beside=BESIDE
    ),
    questions(*PLAIN),
    questions(*[WHOLE] * 100),
    questions(*["{}"] * 100, beside=BESIDE),
]

NOT_PLAIN_MANY = [
    WHOLE,
    questions(beside=BESIDE),
    questions(),
    f'{{{BESIDE}"evaluations":null}}',
    f'{{{BESIDE}"evaluations":{{}}}}',
    questions(*[WHOLE] * 101),
    questions(WHOLE, "{}"),
    questions(WHOLE, "null"),
    questions(WHOLE, "7", "[]"),
    questions('{"context":{}}', beside=BESIDE),
    questions('{"subject":null}', beside=BESIDE),
    questions('{"subject":{"type":"user"}}', beside=BESIDE),
    questions('{"action":{"name":"view"},"action":{"name":"edit"}}', beside=BESIDE),
    questions(WHOLE, beside='"subject":{"type":"user"},'),
    questions(WHOLE, beside='"subject":null,'),
    questions(WHOLE, beside='"options":{},'),
    *(
        questions(question(what="fly"), WHOLE, beside=f'"options":{{"evaluations_semantic":"{semantic}"}},')
        for semantic in ("deny_on_first_deny", "permit_on_first_permit", "execute_all", "jane")
    ),
    questions(WHOLE, beside=f'"evaluations":[{WHOLE}],'),
    *(questions(WHOLE, other, WHOLE) for other in NOT_PLAIN[:30]),
]


SEARCHES = [
    question(what="view"),
    question(what="archive"),
    question("", "view", kind="classroom", which="$foreign"),
    question(what="view", kind="school", which="$school"),
    question(what="view", kind="student", which="$student"),
    question(what="view", kind="org", which="$district", district='"$district"'),
    f'{{"context":{{"role_context":"staff"}},{question(what="view").removeprefix("{")}',
    question(what="view").replace('"id":"$teacher"', '"a":1'),
]
"""Searches for users that are at hand where the district is loaded."""

NOT_PLAIN_SEARCHES = [
    *(f'{{"page":{page},{question(what="view").removeprefix("{")}' for page in ("{}", '{"limit":1}', '{"token":"a"}')),
    *(f'{{"page":{page},{question(what="view").removeprefix("{")}' for page in ("null", "7")),
    f'{{"context":{{"role_context":"jane"}},{question(what="view").removeprefix("{")}',
    question(what="view", kind="user", which="$teacher"),
    question(what="view").replace('"section"', '"section","properties":{"district":7}'),
    *NOT_PLAIN,
]


CREDENTIALS: Mapping[str, Headers] = {
    "as long a scheme": {"Authorization": f"Digest {KEY}"},
    "none": {},
    "another": {"Authorization": "Bearer of nothing"},
    "no credential": {"Authorization": "Bearer"},
    "lower case": {"Authorization": f"bearer {KEY}"},
    "two spaces": {"Authorization": f"Bearer  {KEY}"},
    "another scheme": {"Authorization": f"Basic {KEY}"},
    "no scheme": {"Authorization": KEY},
}


EVERY_KIND: list[tuple[str, str | None]] = [(PERMISSIONS, None), (EVALUATION, WHOLE), (EVALUATIONS, questions(WHOLE))]


@dataclass(frozen=True, slots=True)
class Names:
    """The names by which questions call whom and what is in the sandbox, such as ``$teacher``, and the ids of these."""

    ids: Mapping[str, str]

    def in_target(self, target: str) -> str:
        return Template(target).substitute(self.ids)

    def in_body(self, said: str) -> bytes:
        return Template(said).safe_substitute(self.ids).encode("utf-8", "surrogateescape")


def names_in(world: World) -> Names:
    north = world.districts[0]
    users = {
        "teacher": "teacher_only",
        "staff": "staff_who_also_teach_elsewhere",
        "student": "student_one_school",
        "contact": "contact",
        "admin": "district_admin_only",
        "nothing": "user_without_roles",
    }
    ids = {name: world.cases[case].user for name, case in users.items()}
    own, foreign = (north.sections_of_user[ids[name]][0] for name in ("teacher", "staff"))
    return Names(ids | {"section": own.id, "foreign": foreign.id, "school": own.school, "district": north.id})


@dataclass(frozen=True, slots=True)
class Asked:
    """A service on a socket, and whom and what it is asked about."""

    client: httpx.Client
    names: Names

    def ask(self, target: str, said: str | None = None, headers: Headers = USUAL) -> httpx.Response:
        """Ask by POST where something is said, else by GET."""
        method, content = ("GET", None) if said is None else ("POST", self.names.in_body(said))
        return self.client.request(method, self.names.in_target(target), content=content, headers=dict(headers))

    def agrees(self, target: str, said: str | None = None, headers: Headers = USUAL) -> bool:
        """Tell whether the answer is the one that the route gives, which is asked first, so that all is known."""
        wanted = told(self.ask(target, said, {**headers, **BY_ROUTE}))
        return told(self.ask(target, said, headers)) == wanted


MEMBER = re.compile(r'"\w+": ?(?:"[^"]*"|null)')

Spoil = Callable[[str, int], str]


def at_member(change: Callable[[str], str]) -> Spoil:
    """Change one of the members that hold a text."""

    def spoilt(text: str, which: int) -> str:
        found = list(MEMBER.finditer(text))
        if not found:
            return text
        start, end = found[which % len(found)].span()
        return text[:start] + change(text[start:end]) + text[end:]

    return spoilt


SPOILS: list[Spoil] = [
    *[lambda text, _: text] * 6,
    at_member(lambda member: f"{member},{member}"),
    at_member(lambda member: f'{member},"id":"$section"'),
    at_member(lambda member: f"{member.partition(':')[0]}:null"),
    at_member(lambda member: f"{member.partition(':')[0]}:null,{member}"),
    at_member(lambda member: f'{member},"a":{{}}'),
    at_member(lambda member: member.replace("e", r"\u0065", 1)),
    at_member(lambda member: member.replace('"', "\udcff", 1)),
    at_member(lambda member: f"\n{member}\t "),
    lambda text, which: f"\ufeff{text}" if which % 2 else f"{text}]",
    lambda text, which: text[: which % (len(text) + 1)],
]


def some(*plain: str, odd: tuple[object, ...] = ()) -> st.SearchStrategy[object]:
    """One of the plain ones, or now and then an odd one."""
    return st.sampled_from([*plain * 4, *odd])


SUBJECTS = st.fixed_dictionaries(
    {
        "type": some("user", odd=("group",)),
        "id": some("$teacher", "$staff", "$student", "$admin", odd=("f" * 24, "", 7)),
    },
    optional={"properties": st.fixed_dictionaries({"district": some("$district", odd=("f" * 24, None, 7))})},
)
ACTIONS = st.fixed_dictionaries(
    {"name": some("view", "edit", "grade", "archive", "section:view", "classroom:edit", odd=("fly", "", None))}
)
RESOURCES = st.fixed_dictionaries(
    {
        "type": some("section", "classroom", "school", "student", "user", "assignment", "district", odd=("jane", None)),
        "id": some("$section", "$foreign", "$school", "$student", "$teacher", "$district", odd=("f" * 24, "a1")),
    }
)
PARTS = {"subject": SUBJECTS, "action": ACTIONS, "resource": RESOURCES}
CONTEXTS = st.sampled_from([{}, None, {"role_context": "staff"}])
ITEMS = st.fixed_dictionaries({}, optional=PARTS) | st.fixed_dictionaries(PARTS)
BODIES = st.one_of(
    st.fixed_dictionaries(PARTS),
    st.fixed_dictionaries({**PARTS, "evaluations": st.lists(ITEMS, max_size=4)}),
    st.fixed_dictionaries({"evaluations": st.lists(ITEMS, max_size=4)}, optional={**PARTS, "context": CONTEXTS}),
)
