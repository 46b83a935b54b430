from __future__ import annotations

import gzip

import pytest

from tests.blueprints.pages import element, elements
from tests.blueprints.rows import add_integration
from tests.support.signed_in import FreshClient

PAGES = ["/settings/sales-channels", "/settings", "/activity", "/nowhere"]
GZIP = {"Accept-Encoding": "gzip"}


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_private_and_locked_down(client: FreshClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    for part in ("default-src 'self'", "img-src 'self' data:", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"):
        assert part in policy.split("; ")
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert {"HX-Request", "HX-Target"} <= {name.strip() for name in headers["Vary"].split(",")}


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_kept_in_the_browsers_history_of_htmx(client: FreshClient, path: str) -> None:
    page = client.get(path).text
    assert element(page, "body")["hx-history"] == "false"
    assert '"historyCacheSize":0' in element(page, "meta", name="htmx-config")["content"]


@pytest.mark.parametrize(
    "path", ["/", "/settings/privacy/orders/1.json", "/settings/sales-channels/1/preview/rows.csv", "/sign-in"]
)
def test_what_is_no_page_is_not_kept_either(client: FreshClient, path: str) -> None:
    assert client.get(path).headers["Cache-Control"] == "no-store"


def test_by_https_a_browser_is_asked_to_stay_with_it(client: FreshClient) -> None:
    assert "Strict-Transport-Security" not in client.get("/settings").headers
    assert client.get("/settings", base_url="https://localhost").headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize("path", PAGES)
def test_no_page_holds_a_script_or_a_style(client: FreshClient, path: str) -> None:
    add_integration()
    page = client.get(path).text
    assert all(script.get("src") for script in elements(page, "script"))
    assert not elements(page, "style")
    everything = elements(page)
    assert not [item for item in everything if item.get("style") is not None]
    assert not [name for item in everything for name in item.attributes if name.startswith(("on", "hx-on"))]


def test_what_a_page_names_is_there_and_kept_for_a_year(client: FreshClient) -> None:
    add_integration()
    page = client.get("/settings/sales-channels").text
    links = [item["href"] for item in elements(page, "link")]
    links += [item["src"] for item in elements(page, "script") + elements(page, "img")]
    assert all(link.startswith("/assets/") for link in links)
    for link in links:
        answer = client.get(link)
        assert answer.status_code == 200
        assert "max-age=31536000" in answer.headers["Cache-Control"]
        assert "immutable" in answer.headers["Cache-Control"]


def test_an_old_version_gets_the_new_file_but_may_not_keep_it(client: FreshClient) -> None:
    answer = client.get("/assets/000000000000/app.css")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("name", ["../app.py", "%2e%2e/config.py", "nothing.css", "logos"])
def test_only_assets_are_given_out(client: FreshClient, name: str) -> None:
    assert client.get(f"/assets/x/{name}").status_code == 404


def test_a_page_is_compressed_where_the_browser_can(client: FreshClient) -> None:
    for number in range(5):
        add_integration(f"Shop {number}")
    plain = client.get("/settings/sales-channels")
    assert "Content-Encoding" not in plain.headers
    packed = client.get("/settings/sales-channels", headers=GZIP)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.data) < len(plain.data) / 2
    assert gzip.decompress(packed.data).startswith(b"<!doctype html>")
    assert "Accept-Encoding" in packed.headers["Vary"]


def test_a_first_visit_weighs_little(client: FreshClient) -> None:
    for number in range(50):
        add_integration(f"Shop {number}")
    page = client.get("/settings/sales-channels").text
    weight = len(client.get("/settings/sales-channels", headers=GZIP).data)
    links = {item["href"] for item in elements(page, "link")}
    links |= {item["src"] for item in elements(page, "script") + elements(page, "img")}
    weight += sum(len(client.get(link, headers=GZIP).data) for link in links)
    assert weight <= 120_000, f"{weight} bytes"
