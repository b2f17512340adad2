"""The page on which a person picks who logs in, and the page of a login that went wrong."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from starlette.responses import HTMLResponse

_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 46rem; margin: 0 auto; padding: 1rem; }
ul { list-style: none; padding: 0; }
li { padding: .6rem 0; border-top: 1px solid #8888; }
a { display: inline-block; margin-right: 1rem; padding: .2rem 0; font-weight: 600; }
p { margin: 0; }
h1 + p { margin-bottom: 1.5rem; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A person to pick: what they show, and a link for each role, by its text."""

    about: str
    links: dict[str, str]


def picking_page(choices: Sequence[Choice], application: str) -> HTMLResponse:
    """Return the page that lets a person pick who logs in to an ``application``, which is named by its address."""
    lead = f"Everybody here is invented. Who logs in to <code>{escape(application)}</code>?"
    return _page("Log in to the sandbox Clever", lead, f"<ul>\n{''.join(map(_item, choices))}</ul>", 200)


def failure_page(reason: str) -> HTMLResponse:
    """Return the page that says why nobody can log in: an application that is not known gets no answer."""
    return _page("Nobody can log in", escape(reason), "", 400)


def _item(choice: Choice) -> str:
    links = "\n".join(f'<a href="{escape(url)}">{escape(text)}</a>' for text, url in choice.links.items())
    return f"<li>\n{links}\n<p>{escape(choice.about)}</p>\n</li>\n"


def _page(title: str, lead: str, body: str, status: int) -> HTMLResponse:
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{lead}</p>
{body}
</main>
</body>
</html>
"""
    return HTMLResponse(page, status, HEADERS)
