"""Every field of the set-up of a feed refuses what cannot be, says it in a sentence at the field, and keeps what was typed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from extensions import db
from models import Feed
from tests.blueprints.feed_walks import FILE, begin, give_columns, give_place
from tests.blueprints.pages import complaints, elements, form_data
from tests.support.remote_files import File, WebServer, web_server
from tests.support.signed_in import FreshClient

PLACES = (
    ("name", ""), ("name", "x" * 101), ("method", "ftp"), ("method", None), ("url", ""), ("url", "ftp://x/y"), ("url", "https://"),
    ("url", "https://user:pass@example.com/x"), ("auth", "digest"), ("secret", "x" * 2001), ("sheet", "x" * 101),
)  # fmt: skip
SERVERS = (
    ("host", ""), ("host", "a b"), ("host", "example.com:99999"), ("path", ""), ("path", "x" * 501), ("sftp_auth", "agent"),
    ("user", ""), ("private_key", "no key"),
)  # fmt: skip
RULES = (
    ("delta", "x"), ("missing", ""), ("missing", None), ("missing_after", "1"), ("missing_after", "ten"), ("missing_after", ""),
    ("excludes_open_orders", "maybe"), ("priority", "0"), ("priority", "1001"), ("priority", "-1"), ("priority", "1.5"),
    ("priority", "1e3"), ("zero_percent", "101"), ("rows_percent", "-1"), ("unreadable_percent", "x"), ("unreadable_percent", ""),
    ("schedule", "daily"), ("interval", "60"), ("zone", "Mars/Base"), ("quiet_from", "25:00"), ("quiet_from", "22:00"),
    ("quiet_until", "6"), ("stale_hours", "0"), ("stale_hours", "2401"), ("when_stale", ""),
)  # fmt: skip
TIMES = (("times", "25:00"), ("times", "six"), ("times", ""), ("times", "6"))


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        server.files["/stock.csv"] = File(FILE)
        yield server


def refused(client: FreshClient, step: str, holding: str, field: str, typed: str | None, **others: str) -> list[str]:
    """What is wrong with the answer to one wrong field."""
    page = client.get(step).text
    answer = client.post(step, data=form_data(page, holding, **{**others, field: typed}))
    name = f"{field}={typed!r:.30}"
    if answer.status_code != 422:
        return [f"{name}: {answer.status_code}"]
    said = complaints(answer.text)
    wrong = [] if len(said) == 1 else [f"{name}: says {said}"]
    wrong += [
        f"{name}: {sentence}"
        for sentence in said
        if "valid choice" in sentence or sentence.startswith("Field ") or not sentence.endswith(".")
    ]
    links = [each for each in elements(answer.text, "a") if any(up.get("data-error-summary") is not None for up in each.parents)]
    ids = {each.get("id") for each in elements(answer.text)}
    wrong += [f"{name}: leads nowhere ({link['href']})" for link in links if link["href"].lstrip("#") not in ids]
    inputs = [
        each for each in elements(answer.text, "input", name=field) if each.get("type") not in ("radio", "checkbox", "password")
    ]
    if typed and inputs and inputs[0].get("value") != typed:
        wrong.append(f"{name}: kept {inputs[0].get('value')!r}")
    kept = form_data(answer.text, holding, **others)
    sent = form_data(page, holding, **others)
    secrets = {"secret", "private_key", "csrf_token", field}
    return wrong + [f"{name}: lost {key}" for key in sent if key not in secrets and kept.get(key) != sent[key]]


@pytest.mark.long
def test_each_wrong_answer_is_named_at_its_field(app: object, client: FreshClient, web: WebServer) -> None:
    step = begin(client)
    file = {"name": "Stock list", "url": web.url()}
    server = {
        "name": "Stock list",
        "method": "sftp",
        "host": "files.example.com",
        "path": "a.csv",
        "user": "me",
        "secret": "pass-word-1",
    }
    found = [wrong for field, typed in PLACES for wrong in refused(client, step, "url", field, typed, **file)]
    for field, typed in SERVERS:
        how = {"sftp_auth": "key"} if field == "private_key" else {}
        found += refused(client, step, "url", field, typed, **server, **how)
    columns = give_place(client, step, web.url(), method="https", auth="none")
    for column in ("Nowhere", "Article", ""):
        answer = client.post(
            columns, data=form_data(client.get(columns).text, "column-sku", act="save", **{"column-quantity": column})
        )
        found += [f"columns {column}: {answer.status_code}"] if answer.status_code != 422 else []
    rules = give_columns(client, columns)
    found += [wrong for field, typed in RULES for wrong in refused(client, rules, "priority", field, typed)]
    found += [wrong for field, typed in TIMES for wrong in refused(client, rules, "priority", field, typed, schedule="times")]
    assert "\n".join(found) == ""
    assert db.session.scalar(db.select(Feed)) is None
