"""Sessions: how long they last, what ends them, what they cost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from errors import NotFound
from extensions import db, writing
from models import UserSession
from models.types import utcnow
from services.accounts import sign_ins, users
from services.accounts.begun import SignInEnded
from tests.support.signed_in import user_called

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def ann() -> int:
    return user_called("Ann")


def begin(user_id: int) -> str:
    return sign_ins.begin_session(user_id, "127.0.0.1", "Firefox")


def age(**values: timedelta) -> None:
    """Move times of every session back."""
    with writing() as session:
        for row in session.scalars(select(UserSession)):
            for name, by in values.items():
                setattr(row, name, getattr(row, name) - by)


def test_a_session_does_not_begin_while_its_user_is_disabled(ann):
    """The password was right, then the user was disabled and every session ended. One that began only then was worth something again
    after the user was enabled."""
    user_called("Another owner")
    users.disable_user(ann)
    with pytest.raises(SignInEnded):
        begin(ann)
    users.enable_user(ann)
    assert db.session.scalars(select(UserSession)).all() == []


def test_a_token_is_good_for_its_user_until_the_session_ends(ann):
    token = begin(ann)
    person = sign_ins.find_person(token)
    assert (person.id, person.name, person.role) == (ann, "Ann", "owner")
    assert sign_ins.find_person(token[:-1]) is None
    assert sign_ins.find_person("") is None
    sign_ins.end_token(token)
    assert sign_ins.find_person(token) is None
    sign_ins.end_token(token)


def test_a_session_that_is_not_used_ends_after_two_hours(ann):
    token = begin(ann)
    age(seen_at=timedelta(minutes=119))
    assert sign_ins.find_person(token) is not None
    age(seen_at=timedelta(minutes=2))
    assert sign_ins.find_person(token) is None


def test_using_it_keeps_it_alive_but_no_longer_than_twelve_hours(ann):
    token = begin(ann)
    for _ in range(11):
        age(seen_at=timedelta(hours=1), expires_at=timedelta(hours=1))
        sign_ins.note_use(sign_ins.find_person(token))
    assert sign_ins.find_person(token) is not None
    age(seen_at=timedelta(hours=1), expires_at=timedelta(hours=1))
    assert sign_ins.find_person(token) is None


def test_a_use_is_written_down_once_a_minute(ann):
    token = begin(ann)
    before = sign_ins.find_person(token).seen_at
    sign_ins.note_use(sign_ins.find_person(token))
    assert sign_ins.find_person(token).seen_at == before
    age(seen_at=timedelta(minutes=2))
    sign_ins.note_use(sign_ins.find_person(token))
    assert sign_ins.find_person(token).seen_at >= before


def test_a_person_sees_their_own_sessions_and_ends_any_of_them(ann):
    here, there = begin(ann), begin(ann)
    strangers = sign_ins.find_person(begin(user_called("Ben"))).session_id
    person = sign_ins.find_person(here)
    rows = sign_ins.list_sessions(person)
    assert [row.here for row in rows].count(True) == 1
    assert len(rows) == 2
    sign_ins.end_session(ann, next(row.id for row in rows if not row.here))
    assert sign_ins.find_person(there) is None
    with pytest.raises(NotFound):
        sign_ins.end_session(ann, strangers)
    assert sign_ins.find_person(here) is not None


def test_signing_out_everywhere_ends_all_of_one_user(ann):
    mine, theirs = [begin(ann), begin(ann)], begin(user_called("Ben"))
    assert sign_ins.end_all(ann) == 2
    assert [sign_ins.find_person(token) for token in mine] == [None, None]
    assert sign_ins.find_person(theirs) is not None


def test_a_change_of_role_counts_at_once(ann):
    ben = user_called("Ben")
    token = begin(ben)
    users.change_role(ben, "viewer", sees_customers=False)
    person = sign_ins.find_person(token)
    assert person.may("viewer")
    assert not person.may("manager")
    assert not person.may_see_customers
    users.change_role(ben, "viewer", sees_customers=True)
    assert sign_ins.find_person(token).may_see_customers


def test_sessions_that_are_over_are_swept_away(ann):
    begin(ann)
    with writing() as session:
        session.execute(update(UserSession).values(expires_at=utcnow() - timedelta(seconds=1)))
    begin(ann)
    assert len(db.session.scalars(select(UserSession)).all()) == 1
