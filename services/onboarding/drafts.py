"""Drafts: the answers of somebody who is adding a shop, stored encrypted for a day, and the state of their check.

The answers and the results of the check are stored separately, because the user may change answers during the check.
"""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, delete, func, or_, select

from errors import AppError, LeaseLost, NotFound, TooMany
from extensions import db, reading, writing
from models import Draft
from models.types import utcnow
from services.common.claims import Claim, Claimable
from services.security import vault

KEPT = timedelta(days=1)
GONE = "That set-up has ended. It was finished, cancelled, or not used for more than a day."


PATIENCE = 30
"""Seconds that a check may wait for a worker, or its worker may show no sign of life, before the page says so."""
CHECKED = (
    "endpoint", "api_key", "method", "address", "path", "auth", "user", "parameter", "secret", "sheet", "host_key",
)  # fmt: skip
"""The answers on which the result of a check depends: of a shop, and of a feed."""
MOST_OPEN = 5
"""Checks of one person or program that wait or are being made, and of all programs together twice as many. Each may take a worker for minutes."""
WAITS = timedelta(minutes=10)
"""How long a check counts as waiting for a worker."""
CHECKS = Claimable(Draft.check_token, Draft.lease_until, lambda: PATIENCE)


class DraftGone(NotFound):
    """There is no such draft, or it belongs to another user."""

    code = "draft_gone"


@dataclass(frozen=True, slots=True)
class OpenDraft:
    """A decrypted draft. ``state`` is that of the check: empty, asked, checking or done; ``found`` is empty until it is done.
    ``lease_until`` is the end of its worker's lease, or of the time it may wait for one."""

    id: int
    created_at: datetime
    token: str
    purpose: str
    kind: str
    integration_id: int | None
    actor: str
    state: str
    lease_until: datetime | None
    phase: str
    answers: dict[str, Any]
    found: dict[str, Any]

    @property
    def is_late(self) -> bool:
        """Whether no worker shows a sign of life."""
        return self.lease_until is not None and self.lease_until < utcnow()

    @property
    def good(self) -> bool:
        """Whether the check of the present answers succeeded."""
        return self.state == "done" and self.found.get("check", {}).get("verdict") == "good"


def create(purpose: str, kind: str, actor: str, answers: dict[str, Any], integration_id: int | None = None) -> str:
    """Create a draft and return its token. Expired drafts are deleted."""
    token = secrets.token_urlsafe(18)
    now = utcnow()
    with writing() as session:
        session.execute(delete(Draft).where(Draft.expires_at < now))
        session.add(
            Draft(token=token, purpose=purpose, kind=kind, actor=actor, integration_id=integration_id, expires_at=now + KEPT,
                  answers_encrypted=_encrypt(answers))
        )  # fmt: skip
    return token


def open_draft(token: str, actor: str, purpose: str) -> OpenDraft:
    """Raises DraftGone."""
    draft = db.session.scalar(_mine(token, actor).where(Draft.purpose == purpose))
    if draft is None:
        raise DraftGone(GONE)
    return _opened(draft)


# The list of integrations asks this each time, mostly for nothing: built once, on the table, it costs a third.
_draft = Draft.__table__.c
OPEN = (
    select(Draft.__table__)
    .where(_draft.actor == bindparam("actor"), _draft.purpose == bindparam("purpose"), _draft.expires_at > bindparam("now"))
    .order_by(_draft.id.desc())
    .limit(5)
)


def list_drafts(actor: str, purpose: str = "add") -> list[OpenDraft]:
    """The drafts of a purpose that a user can continue, newest first."""
    return [_opened(draft) for draft in db.session.execute(OPEN, {"actor": actor, "purpose": purpose, "now": utcnow()}).all()]


def answer(token: str, actor: str, **answers: Any) -> OpenDraft:
    """Store answers, for another day. If one of ``CHECKED`` has changed, the last check is discarded. Raises DraftGone."""
    with writing() as session:
        draft = session.scalar(_mine(token, actor).with_for_update())
        if draft is None:
            raise DraftGone(GONE)
        before = _decrypt(draft.answers_encrypted)
        after = {**before, **answers}
        draft.answers_encrypted, draft.expires_at = _encrypt(after), utcnow() + KEPT
        if any(before.get(name) != after.get(name) for name in CHECKED):
            draft.check_state, draft.check_ticket, draft.found_encrypted, draft.phase = "", "", None, ""
        draft_id = draft.id
    return _opened(db.session.get_one(Draft, draft_id))


def discard(token: str, actor: str) -> None:
    """Delete a draft. Repeating it is harmless."""
    with writing() as session:
        session.execute(delete(Draft).where(Draft.token == token, Draft.actor == actor))


def ask_check(token: str, actor: str) -> tuple[int, str]:
    """Request a check. Returns the draft's id and the check's ticket, for the queue. Raises DraftGone, or TooMany where this person or
    program has ``MOST_OPEN`` others open. A check of this draft that is being made ends with its next request."""
    ticket = secrets.token_hex(16)
    with writing() as session:
        draft = session.scalar(_mine(token, actor).with_for_update())
        if draft is None:
            raise DraftGone(GONE)
        _refuse_too_many(draft)
        draft.check_state, draft.check_ticket, draft.check_token = "asked", ticket, ""
        draft.lease_until = utcnow() + timedelta(seconds=PATIENCE)
        draft.found_encrypted, draft.phase = None, ""
        return draft.id, ticket


def _refuse_too_many(draft: Draft) -> None:
    """Raises TooMany."""
    now = utcnow()
    waits = and_(Draft.check_state == "asked", Draft.lease_until > now - WAITS)
    is_open = or_(waits, and_(Draft.check_state == "checking", Draft.lease_until > now))
    own = db.session.scalar(select(func.count()).where(is_open, Draft.actor == draft.actor, Draft.id != draft.id)) or 0
    programs = 0
    if draft.purpose == "connect":
        programs = db.session.scalar(select(func.count()).where(is_open, Draft.purpose == "connect", Draft.id != draft.id)) or 0
    if own >= MOST_OPEN or programs >= 2 * MOST_OPEN:
        raise TooMany("Other checks of yours are not finished yet.", "Wait until one has ended, then try again.", PATIENCE)


def begin_check(draft_id: int, ticket: str) -> tuple[OpenDraft, Claim] | None:
    """Claim a check; None if it is no longer needed, or another worker has claimed it."""
    claim = CHECKS.claim(draft_id, Draft.check_ticket == ticket, Draft.check_state == "asked", check_state="checking")
    if claim is None:
        return None
    with reading() as session:
        return _opened(session.get_one(Draft, draft_id)), claim


def say_phase(claim: Claim, phase: str) -> None:
    """Store what the check does now, for the page. Raises LeaseLost where the check is no longer needed."""
    with writing():
        claim.hold(phase=phase)


def refuse_unneeded(claim: Claim) -> None:
    """Called before each request of a check. Raises LeaseLost where it is no longer needed: its draft was discarded, or another check of it was
    asked for."""
    # The session belongs to the check's own thread; any thread may use a connection.
    with db.engine.connect() as connection:
        if connection.scalar(select(Draft.check_token).where(Draft.id == claim.row_id)) != claim.token:
            raise LeaseLost("This check is no longer needed.")


def end_check(claim: Claim, found: dict[str, Any]) -> bool:
    """Store the results of the check; False if it is no longer needed."""
    return _note(claim, check_state="done", phase="", found_encrypted=_encrypt(found))


def of_program(draft_id: int) -> OpenDraft:
    """What became of a shop that a program wanted to connect. Raises DraftGone."""
    wanted = (Draft.id == draft_id, Draft.purpose == "connect", Draft.expires_at > utcnow())
    draft = db.session.scalar(select(Draft).where(*wanted).execution_options(populate_existing=True))
    if draft is None:
        raise DraftGone("There is no such connection, or it was made more than a day ago.")
    return _opened(draft)


def forget_key(draft_id: int) -> None:
    """Take the API key out of a draft whose check is over."""
    with writing() as session:
        draft = session.get(Draft, draft_id, with_for_update=True)
        if draft is not None:
            draft.answers_encrypted = _encrypt({**_decrypt(draft.answers_encrypted), "api_key": ""})


def _note(claim: Claim, **values: Any) -> bool:
    with suppress(LeaseLost), writing():
        claim.hold(**values)
        return True
    return False


def _mine(token: str, actor: str) -> Select[Draft]:
    return select(Draft).where(Draft.token == token, Draft.actor == actor, Draft.expires_at > utcnow())


def _opened(draft: Draft | Row[Any]) -> OpenDraft:
    return OpenDraft(
        id=draft.id, created_at=draft.created_at, token=draft.token, purpose=draft.purpose, kind=draft.kind, integration_id=draft.integration_id,
        actor=draft.actor, state=draft.check_state, lease_until=draft.lease_until, phase=draft.phase,
        answers=_decrypt(draft.answers_encrypted), found=_decrypt(draft.found_encrypted) if draft.found_encrypted else {},
    )  # fmt: skip


def _encrypt(values: dict[str, Any]) -> bytes:
    return vault.encrypt(json.dumps(values, separators=(",", ":")))


def _decrypt(encrypted: bytes) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(vault.decrypt(encrypted))
    return values


def trouble_of(error: AppError) -> dict[str, Any]:
    """An error in the form of a check's verdict."""
    return {"verdict": error.code, "message": error.message, "advice": error.advice}
