"""Checks of shops that nobody waits for any more end, and one person or program has few of them at a time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from errors import LeaseLost, TooMany
from extensions import db, writing
from models import Draft
from models.types import utcnow
from practice_shop import PracticeShop
from services.accounts import users
from services.onboarding import connection_check, drafts
from tests.support.signed_in import user_called

pytestmark = [pytest.mark.one_database, pytest.mark.usefixtures("app")]


def asked(actor: str = "user:Ann", purpose: str = "add", **answers: str) -> tuple[str, int, str]:
    """A draft whose check was asked for: its token, its id, and the check's ticket."""
    token = drafts.create(purpose, "xcart", actor, {"name": "Shop", **answers})
    return token, *drafts.ask_check(token, actor)


def test_a_check_ends_with_its_next_request_once_another_was_asked_for(practice: PracticeShop, monkeypatch):
    token, draft_id, ticket = asked(endpoint=practice.url, api_key=practice.key)
    practice.clear_requests()
    count, refuse = [], drafts.refuse_unneeded

    def before_a_request(claim):
        count.append(claim)
        if len(count) == 3:
            drafts.ask_check(token, "user:Ann")
        refuse(claim)

    monkeypatch.setattr(drafts, "refuse_unneeded", before_a_request)
    connection_check.run_check(draft_id, ticket)
    assert len(practice.requests) < 3
    db.session.rollback()
    assert drafts.open_draft(token, "user:Ann", "add").state == "asked"


def test_so_does_one_whose_draft_was_discarded():
    token, draft_id, ticket = asked()
    _, claim = drafts.begin_check(draft_id, ticket)
    drafts.refuse_unneeded(claim)
    drafts.discard(token, "user:Ann")
    with pytest.raises(LeaseLost):
        drafts.refuse_unneeded(claim)
    with pytest.raises(LeaseLost):
        drafts.say_phase(claim, "Connecting")


@pytest.mark.parametrize("act", [users.disable_user, lambda user_id: users.change_role(user_id, "manager", False)])
def test_so_does_one_whose_person_may_no_longer_set_up_shops(act):
    """A new address and key that an owner has sent would still be saved."""
    user_called("Another owner")
    ann = user_called("Ann")
    _, draft_id, ticket = asked(purpose="reauthorise")
    waiting, *_ = asked()
    _, claim = drafts.begin_check(draft_id, ticket)
    act(ann)
    with pytest.raises(LeaseLost):
        drafts.refuse_unneeded(claim)
    with pytest.raises(drafts.DraftGone):
        drafts.open_draft(waiting, "user:Ann", "add")


def test_a_role_that_stays_ends_nothing():
    ann = user_called("Ann")
    token, *_ = asked()
    users.change_role(ann, "owner", True)
    assert drafts.open_draft(token, "user:Ann", "add").state == "asked"


def test_one_person_has_five_open_checks_and_others_have_theirs():
    open_ones = [asked() for _ in range(drafts.MOST_OPEN)]
    with pytest.raises(TooMany) as refused:
        asked()
    assert refused.value.retry_after > 0
    assert asked("user:Bob")
    token, draft_id, _ = open_ones[0]
    _, again = drafts.ask_check(token, "user:Ann")
    _, claim = drafts.begin_check(draft_id, again)
    drafts.end_check(claim, {})
    assert asked()


def test_checks_that_no_worker_took_do_not_count_for_ever():
    for _ in range(drafts.MOST_OPEN):
        asked()
    with writing() as session:
        session.execute(update(Draft).values(lease_until=utcnow() - drafts.WAITS - timedelta(seconds=1)))
    assert asked()


def test_many_tokens_of_one_person_do_not_take_all_workers():
    for number in range(2 * drafts.MOST_OPEN):
        asked(f"api:Token {number // 4}", "connect")
    with pytest.raises(TooMany):
        asked("api:Another", "connect")
    assert asked("user:Ann")
