"""The second step of signing in."""

from __future__ import annotations

import time
from datetime import timedelta
from threading import Thread

import pyotp
import pytest
from sqlalchemy import select, update

from errors import Conflict, InvalidInput, NotFound
from extensions import db, writing
from models import AuditEntry, UserCode
from models.types import utcnow
from services.accounts import two_step, users
from services.security import vault
from tests.support.signed_in import user_called

pytestmark = pytest.mark.usefixtures("app")


class App:
    """An authenticator app that has scanned the picture, with its own clock."""

    def __init__(self, uri: str):
        self.totp = pyotp.parse_uri(uri)

    def shows(self, seconds: float = 0) -> str:
        return self.totp.at(time.time() + seconds)


@pytest.fixture
def ann() -> int:
    return user_called("Ann")


@pytest.fixture
def app_of_ann(ann) -> App:
    two_step.begin_setup(ann)
    scanned = App(two_step.setup_uri(ann))
    two_step.confirm_setup(ann, scanned.shows(-30))
    return scanned


def test_it_counts_once_a_code_has_been_confirmed(ann):
    two_step.begin_setup(ann)
    scanned = App(two_step.setup_uri(ann))
    assert scanned.totp.secret == two_step.setup_seed(ann).replace(" ", "")
    with pytest.raises(InvalidInput):
        two_step.confirm_setup(ann, "000000")
    assert users.get_user(ann).two_step_encrypted is None
    code = scanned.shows()
    two_step.confirm_setup(ann, f"{code[:3]} {code[3:]}")
    assert users.get_user(ann).two_step_encrypted is not None
    assert two_step.setup_uri(ann) is None
    with pytest.raises(Conflict):
        two_step.begin_setup(ann)


def test_the_seed_is_stored_as_ciphertext(ann, app_of_ann):
    encrypted = users.get_user(ann).two_step_encrypted
    assert app_of_ann.totp.secret.encode() not in encrypted
    assert encrypted.startswith(b"gAAAA")


def test_a_code_passes_once_for_two_who_send_it_at_the_same_moment(app, ann, app_of_ann, monkeypatch):
    """The second one is let through up to the moment when the first has read all it decides on."""
    proof, code = two_step.begin_second_step(ann), app_of_ann.shows()
    decrypt, passed = vault.decrypt, []

    def meanwhile() -> None:
        with app.app_context():
            passed.append(two_step.pass_second_step(proof, code))
            db.session.remove()

    def late(encrypted: bytes) -> str:
        monkeypatch.setattr(vault, "decrypt", decrypt)
        faster = Thread(target=meanwhile)
        faster.start()
        faster.join(90)
        return decrypt(encrypted)

    monkeypatch.setattr(vault, "decrypt", late)
    with pytest.raises(InvalidInput):
        two_step.pass_second_step(proof, code)
    assert passed == [ann]


def test_a_code_passes_once(ann, app_of_ann):
    code = app_of_ann.shows()
    assert two_step.pass_second_step(two_step.begin_second_step(ann), code) == ann
    with pytest.raises(InvalidInput):
        two_step.pass_second_step(two_step.begin_second_step(ann), code)
    with pytest.raises(InvalidInput):
        two_step.pass_second_step(two_step.begin_second_step(ann), app_of_ann.shows(-30))
    assert two_step.pass_second_step(two_step.begin_second_step(ann), app_of_ann.shows(30)) == ann


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "１２３４５６", "000000"])
def test_no_other_code_passes(ann, app_of_ann, code):
    proof = two_step.begin_second_step(ann)
    with pytest.raises(InvalidInput):
        two_step.pass_second_step(proof, code)


def test_codes_of_other_times_do_not_pass(ann, app_of_ann):
    proof = two_step.begin_second_step(ann)
    for seconds in (-90, 90):
        with pytest.raises(InvalidInput):
            two_step.pass_second_step(proof, app_of_ann.shows(seconds))


def test_the_password_counts_for_five_minutes(ann, app_of_ann):
    proof = two_step.begin_second_step(ann)
    with writing() as session:
        session.execute(update(UserCode).values(expires_at=utcnow() - timedelta(seconds=1)))
    assert two_step.pass_second_step(proof, app_of_ann.shows()) is None
    assert two_step.pass_second_step("nonsense", app_of_ann.shows()) is None


def test_a_user_who_was_disabled_meanwhile_does_not_pass(ann, app_of_ann):
    user_called("Ben")
    proof = two_step.begin_second_step(ann)
    users.disable_user(ann)
    assert two_step.pass_second_step(proof, app_of_ann.shows()) is None


def test_a_link_switches_it_off_when_it_is_used_and_not_before(ann, app_of_ann):
    code = users.issue_password_code(ann, two_step_off=True)
    proof = two_step.begin_second_step(ann)
    assert two_step.pass_second_step(proof, app_of_ann.shows()) == ann, "a lost link takes nothing away"
    assert users.link_behind(code).switches_off
    proof = two_step.begin_second_step(ann)
    users.set_password(code, "orbit seven plum kettle")
    assert users.get_user(ann).two_step_encrypted is None
    assert two_step.pass_second_step(proof, app_of_ann.shows()) is None
    kinds = [entry.kind for entry in db.session.scalars(select(AuditEntry).order_by(AuditEntry.id))]
    assert kinds[-3:] == ["user.link_issued", "user.password_changed", "user.two_step_off"]


def test_a_plain_link_replaces_one_that_would_switch_it_off(ann, app_of_ann):
    before, after = users.issue_password_code(ann, two_step_off=True), users.issue_password_code(ann)
    with pytest.raises(NotFound):
        users.set_password(before, "orbit seven plum kettle")
    users.set_password(after, "orbit seven plum kettle")
    assert users.get_user(ann).two_step_encrypted is not None
