"""Two set-ups at once: each shop is compared with those that were connected after it was tested."""

from __future__ import annotations

from sqlalchemy import select
from werkzeug.test import TestResponse

from extensions import db
from models import Integration
from practice_shop import PracticeShop
from tests.blueprints.pages import complaints, form_data
from tests.blueprints.walks import LIST, give_shop, to_options
from tests.support.signed_in import FreshClient


def finish(client: FreshClient, step: str) -> TestResponse:
    return client.post(step, data=form_data(client.get(step).text, "with_variants"))


def names() -> list[str]:
    db.session.rollback()
    return list(db.session.scalars(select(Integration.name)))


def test_a_copy_that_was_tested_before_the_first_one_was_connected_is_refused(
    client: FreshClient, practice: PracticeShop
) -> None:
    with PracticeShop(store=practice.store.snapshot(), key=practice.key) as clone:
        first, second = to_options(client, practice, "First"), to_options(client, clone, "Second")
        assert finish(client, first).location == LIST
        answer = finish(client, second)
        assert answer.status_code == 422
        assert "First was connected after this shop was tested, and may be the same shop." in answer.text
        assert "Go back one step" in answer.text
        again = give_shop(client, second.replace("/options", "/shop"), clone.url, clone.key or "")
        assert "connected already, as First" in " ".join(complaints(client.get(again).text))
    assert names() == ["First"]


def test_another_shop_is_connected_after_it_was_compared(client: FreshClient, practice: PracticeShop) -> None:
    with PracticeShop(products=3, orders=2, key=practice.key) as other:
        first, second = to_options(client, practice, "First"), to_options(client, other, "Second")
        assert finish(client, first).location == LIST
        assert finish(client, second).status_code == 422
        again = give_shop(client, second.replace("/options", "/shop"), other.url, other.key or "")
        assert finish(client, again).location == LIST
    assert names() == ["First", "Second"]
