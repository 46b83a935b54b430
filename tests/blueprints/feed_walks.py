"""The set-up of a feed, walked by a browser without JavaScript."""

from __future__ import annotations

from typing import Any

from tests.blueprints.pages import form_data
from tests.blueprints.queues import work_off
from tests.support.signed_in import FreshClient

FILE = b"Article;Available;Price\nCUP;12;3.50\nPLATE;10+;2.00\nNEW-1;7;9.00\n"


def begin(client: FreshClient, name: str = "ACME") -> str:
    """Name the supplier; answers with the address of the step that follows."""
    answer = client.post("/suppliers/add", data={"name": name, "lead_days": "2"})
    assert answer.status_code == 303, answer.text
    return answer.location


def give_place(client: FreshClient, step: str, url: str, **answers: Any) -> str:
    """Say where the file is and have it fetched; answers with the address of the step that follows."""
    answer = client.post(step, data=form_data(client.get(step).text, "url", **{"name": "Stock list", "url": url, **answers}))
    assert answer.status_code == 303, answer.text
    assert work_off("checks") == 1
    answer = client.get(answer.location)
    assert answer.status_code == 303, answer.text
    return answer.location


def give_columns(client: FreshClient, step: str, **answers: Any) -> str:
    """Take the columns that are suggested; answers with the address of the step that follows."""
    answer = client.post(step, data=form_data(client.get(step).text, "column-sku", act="save", **answers))
    assert answer.status_code == 303, answer.text
    return answer.location


def set_up(client: FreshClient, url: str, name: str = "ACME", **rules: Any) -> int:
    """The whole set-up; answers with the id of the feed."""
    step = give_columns(client, give_place(client, begin(client, name), url))
    answer = client.post(step, data=form_data(client.get(step).text, "priority", **rules))
    assert answer.status_code == 303, answer.text
    return int(answer.location.rpartition("/")[2])
