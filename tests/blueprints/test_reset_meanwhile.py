"""The right password has been typed; before the browser is let in, somebody resets it. What was begun with the old one ends."""

from __future__ import annotations

import time

import pyotp
import pytest

from services.accounts import sign_ins, two_step, users
from tests.blueprints.test_sign_in import GOOD, OTHER, is_in, sessions, try_to_sign_in


@pytest.fixture
def ann(app) -> int:
    return users.create_user("Ann", "owner", "test", password=GOOD)


@pytest.fixture
def stranger(app):
    return app.test_client()


@pytest.fixture
def reset(app, ann, monkeypatch):
    """Reset the password in the moment before a function of a module is called the first time."""

    def before(module, name: str) -> None:
        function = getattr(module, name)

        def late(*args, **kwargs):
            monkeypatch.setattr(module, name, function)
            users.set_password(users.issue_password_code(ann), OTHER)
            return function(*args, **kwargs)

        monkeypatch.setattr(module, name, late)

    return before


def test_a_first_step_with_an_old_password_does_not_let_in(stranger, ann, reset):
    reset(sign_ins, "begin_session")
    answer = try_to_sign_in(stranger)
    assert answer.status_code == 422 and "Sign in again." in answer.text
    assert not is_in(stranger) and sessions() == []
    assert try_to_sign_in(stranger, password=OTHER).status_code == 303


@pytest.mark.parametrize("moment", ["begin_second_step", "begin_session"])
def test_nor_does_a_second_step(stranger, ann, reset, moment):
    two_step.begin_setup(ann)
    scanned = pyotp.parse_uri(two_step.setup_uri(ann))
    two_step.confirm_setup(ann, scanned.at(time.time() - 30))
    reset(two_step if moment == "begin_second_step" else sign_ins, moment)
    answer = try_to_sign_in(stranger)
    if moment == "begin_second_step":
        assert answer.status_code == 422 and "Sign in again." in answer.text
    assert stranger.post("/sign-in/code", data={"code": scanned.now()}).location == "/sign-in"
    assert not is_in(stranger) and sessions() == []
