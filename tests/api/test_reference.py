"""`/docs`: the reference, working without a network."""

import re

import httpx


def test_the_page_loads_nothing_from_elsewhere(service: httpx.Client) -> None:
    page = httpx.get(f"{service.base_url}/docs")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 3
    for path in loaded:
        assert path.startswith("/docs/assets/")
        assert httpx.get(f"{service.base_url}{path}").status_code == 200
    assert "http" not in page.text.replace("SwaggerUIBundle", "")
