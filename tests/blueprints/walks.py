"""The set-up of a shop, walked by a browser without JavaScript."""

from __future__ import annotations

from typing import Any

from extensions import db
from models import Integration
from practice_shop import PracticeShop
from tests.blueprints.pages import form_data
from tests.blueprints.queues import work_off
from tests.support.signed_in import FreshClient

LIST = "/settings/sales-channels"
ADD = f"{LIST}/add"


def begin(client: FreshClient, name: str = "Garden shop") -> str:
    """Give the name; answers with the address of the step that follows."""
    answer = client.post(f"{ADD}/xcart", data={"name": name})
    assert answer.status_code == 303, answer.text
    return answer.location


def give_shop(client: FreshClient, step: str, endpoint: str, key: str, **answers: Any) -> str:
    """Give end point and key and have them tested; answers with the address of the step that follows."""
    page = client.get(step).text
    answer = client.post(step, data=form_data(page, "endpoint", endpoint=endpoint, api_key=key, **answers))
    assert answer.status_code == 303, answer.text
    assert work_off("checks") == 1
    answer = client.get(answer.location)
    assert answer.status_code == 303
    return answer.location


def to_options(client: FreshClient, shop: PracticeShop, name: str = "Garden shop", **answers: Any) -> str:
    """As far as the last step; answers with its address."""
    step = give_shop(client, begin(client, name), shop.url, shop.key or "", **answers)
    assert step.endswith("/options"), client.get(step).text
    return step


def connect(client: FreshClient, shop: PracticeShop, name: str = "Garden shop", **answers: Any) -> Integration:
    """The whole set-up; ``answers`` are the fields of its last step."""
    step = to_options(client, shop, name)
    answer = client.post(step, data=form_data(client.get(step).text, "with_variants", **answers))
    assert (answer.status_code, answer.location) == (303, LIST), answer.text
    db.session.rollback()
    return db.session.scalars(db.select(Integration).order_by(Integration.id.desc())).first()
