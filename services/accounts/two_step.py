"""Two-step sign-in: a one-time password (TOTP, RFC 6238) from an authenticator app. Optional for each user."""

from __future__ import annotations

import hmac
import time
from functools import partial

import pyotp
from sqlalchemy import update

from errors import Conflict, InvalidInput
from extensions import db, writing
from models import User
from models.types import utcnow
from services.accounts import begun, one_time_codes, users
from services.common.results import changed_rows
from services.notify import notifications
from services.security import audit, vault
from services.security.audit import About, record_change

SWITCHED_ON = audit.kind("user.two_step_on", "Two-step sign-in switched on")
STEP = 30
WRONG = ("That code is wrong.", "Enter the six digits that your app shows now. Each code works once.", "code")


def begin_setup(user_id: int) -> None:
    """Create a new seed. It becomes active when a code from it is confirmed. Raises Conflict if two-step sign-in is on."""
    encrypted = vault.encrypt(pyotp.random_base32())
    with writing() as session:
        user = session.get_one(User, user_id, with_for_update=True)
        if user.two_step_encrypted is not None:
            raise Conflict("Two-step sign-in is already on.", "Switch it off first to set it up again.")
        user.two_step_next_encrypted = encrypted


def setup_uri(user_id: int) -> str | None:
    """The content of the QR code; None if nothing is being set up."""
    user = users.get_user(user_id)
    if user.two_step_next_encrypted is None or user.two_step_encrypted is not None:
        return None
    return pyotp.TOTP(vault.decrypt(user.two_step_next_encrypted)).provisioning_uri(name=user.name, issuer_name="Cartlink")


def setup_seed(user_id: int) -> str:
    """The seed for apps that cannot read the QR code, in groups of four; empty if there is none."""
    user = users.get_user(user_id)
    seed = vault.decrypt(user.two_step_next_encrypted) if user.two_step_next_encrypted is not None else ""
    return " ".join(seed[start : start + 4] for start in range(0, len(seed), 4))


def confirm_setup(user_id: int, code: str) -> None:
    """Switch two-step sign-in on with a code from the app. Raises InvalidInput or Conflict."""
    user = users.get_user(user_id)
    encrypted = user.two_step_next_encrypted
    if encrypted is None:
        raise Conflict("Nothing is being set up.", "Start again.")
    step = _step_of(vault.decrypt(encrypted), code, 0)
    if step is None:
        raise InvalidInput(*WRONG)
    with writing() as session:
        user = session.get_one(User, user_id, with_for_update=True)
        if user.two_step_next_encrypted != encrypted:
            raise Conflict("The set-up was started again elsewhere.", "Load the page again.")
        user.two_step_encrypted, user.two_step_next_encrypted, user.two_step_last = encrypted, None, step
        record_change(SWITCHED_ON, About(user_id, user.name), actor=f"user:{user.name}")
        notifications.notify_user(user_id, "two_step_on")


def switch_off(user_id: int) -> None:
    """Switch two-step sign-in off. Sign-ins that wait for a code have to begin again."""
    with writing() as session:
        users.remove_second_step(session.get_one(User, user_id, with_for_update=True))


def begin_second_step(user_id: int, password_hash: str | None = None) -> str:
    """After the right password: return a proof of it that is valid for five minutes. Raises SignInEnded where the password with this
    hash was changed meanwhile, or the user disabled."""
    return one_time_codes.issue_code("second_step", user_id, partial(begun.refuse_ended, user_id, password_hash))


def pass_second_step(proof: str, code: str) -> int | None:
    """The user's id if the code is right; each code works once. None if the five minutes are over. Raises InvalidInput."""
    found = one_time_codes.find_code("second_step", proof)
    user = db.session.get(User, found.user_id) if found is not None else None
    if user is None or user.two_step_encrypted is None or user.disabled_at is not None:
        return None
    user_id = user.id
    step = _step_of(vault.decrypt(user.two_step_encrypted), code, user.two_step_last)
    if step is None:
        raise InvalidInput(*WRONG)
    with writing() as session:
        taken = session.execute(
            update(User).where(User.id == user_id, User.two_step_last < step).values(two_step_last=step)
            .execution_options(synchronize_session=False)
        )  # fmt: skip
        used = one_time_codes.use_code("second_step", proof, utcnow())
    if changed_rows(taken) != 1:
        raise InvalidInput(*WRONG)
    # A password reset meanwhile has ended this sign-in.
    return user_id if used else None


def _step_of(seed: str, code: str, last: int) -> int | None:
    """The time step of a code: now, the one before or the one after, if it was not used before; else None."""
    digits = "".join(code.split())
    if len(digits) != 6 or not digits.isascii():
        return None
    totp = pyotp.TOTP(seed)
    now = int(time.time()) // STEP
    right = [step for step in (now, now - 1, now + 1) if hmac.compare_digest(totp.at(step * STEP), digits)]
    return next((step for step in right if step > last), None)
