"""The second step of signing in: a one-time password (TOTP, RFC 6238) of an authenticator app. Optional for each user."""

from __future__ import annotations

import hmac
import time

import pyotp
from sqlalchemy import update

from errors import Conflict, InvalidInput
from extensions import db, writing
from models import User
from models.types import utcnow
from services import accounts, codes, notices, vault

STEP = 30
WRONG = ("That code is not right.", "Enter the six digits your app shows now; each can be used once.", "code")


def begin_setup(user_id: int) -> None:
    """Draw a new seed, which counts once a code made with it has been confirmed. Raises Conflict where it is on."""
    sealed = vault.seal(pyotp.random_base32())
    with writing() as session:
        user = session.get_one(User, user_id, with_for_update=True)
        if user.two_step_sealed is not None:
            raise Conflict("The two-step sign-in is on already.", "Switch it off first to set it up anew.")
        user.two_step_next_sealed = sealed


def setup_uri(user_id: int) -> str | None:
    """What an authenticator app reads from the QR code; None where nothing is being set up."""
    user = accounts.get_user(user_id)
    if user.two_step_next_sealed is None or user.two_step_sealed is not None:
        return None
    return pyotp.TOTP(vault.unseal(user.two_step_next_sealed)).provisioning_uri(name=user.name, issuer_name="Cartlink")


def setup_seed(user_id: int) -> str:
    """The seed being set up, for apps that cannot read the QR code; in groups of four, empty where there is none."""
    user = accounts.get_user(user_id)
    seed = vault.unseal(user.two_step_next_sealed) if user.two_step_next_sealed is not None else ""
    return " ".join(seed[start : start + 4] for start in range(0, len(seed), 4))


def confirm_setup(user_id: int, code: str) -> None:
    """Switch the two-step sign-in on, given a code that the app made. Raises InvalidInput or Conflict."""
    user = accounts.get_user(user_id)
    sealed = user.two_step_next_sealed
    if sealed is None:
        raise Conflict("Nothing is being set up.", "Begin again.")
    step = _step_of(vault.unseal(sealed), code, 0)
    if step is None:
        raise InvalidInput(*WRONG)
    with writing() as session:
        user = session.get_one(User, user_id, with_for_update=True)
        if user.two_step_next_sealed != sealed:
            raise Conflict("The set-up was begun anew elsewhere.", "Load the page again.")
        user.two_step_sealed, user.two_step_next_sealed, user.two_step_last = sealed, None, step
        notices.tell_user(user_id, "two_step_on")


def switch_off(user_id: int) -> None:
    """Let the password be enough again."""
    with writing() as session:
        user = session.get_one(User, user_id, with_for_update=True)
        if user.two_step_sealed is not None:
            notices.tell_user(user_id, "two_step_off")
        user.two_step_sealed = user.two_step_next_sealed = None


def begin_second_step(user_id: int) -> str:
    """The password was right; answers with what proves it for the next five minutes."""
    return codes.issue_code("second_step", user_id)


def pass_second_step(proof: str, code: str) -> int | None:
    """The user's id, once for each code of the app; None where the five minutes are over. Raises InvalidInput."""
    found = codes.find_code("second_step", proof)
    user = db.session.get(User, found.user_id) if found is not None else None
    if user is None or user.two_step_sealed is None or user.disabled_at is not None:
        return None
    user_id = user.id
    step = _step_of(vault.unseal(user.two_step_sealed), code, user.two_step_last)
    if step is None:
        raise InvalidInput(*WRONG)
    with writing() as session:
        taken = session.execute(
            update(User).where(User.id == user_id, User.two_step_last < step).values(two_step_last=step)
            .execution_options(synchronize_session=False)
        )  # fmt: skip
        codes.use_code("second_step", proof, utcnow())
    if taken.rowcount != 1:
        raise InvalidInput(*WRONG)
    return user_id


def _step_of(seed: str, code: str, last: int) -> int | None:
    """The time step a code belongs to: now, the one before or the one after, and none that was used before."""
    digits = "".join(code.split())
    if len(digits) != 6 or not digits.isascii():
        return None
    totp = pyotp.TOTP(seed)
    now = int(time.time()) // STEP
    right = [step for step in (now, now - 1, now + 1) if hmac.compare_digest(totp.at(step * STEP), digits)]
    return next((step for step in right if step > last), None)
