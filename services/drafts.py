"""Drafts: a set-up kept encrypted on the server for a day, and the check of what it says, done by a worker.

What a person typed and what the shop said are kept apart, because a person may go on typing while a worker asks the shop.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update

from errors import AppError, NotFound
from extensions import db, writing
from models import Draft
from models.types import utcnow
from services import vault

KEPT = timedelta(days=1)
GONE = "That set-up has ended: it was finished or cancelled, or it lay untouched for more than a day."


class DraftGone(NotFound):
    """There is no such draft, or it is somebody else's."""

    code = "draft_gone"


@dataclass(frozen=True, slots=True)
class OpenDraft:
    """A draft opened. ``state`` is that of the check: empty, asked, checking or done; ``found`` is empty until it is done.
    ``heard_at`` is when the check was asked for or its worker was last heard of."""

    id: int
    token: str
    purpose: str
    kind: str
    integration_id: int | None
    actor: str
    state: str
    heard_at: datetime | None
    phase: str
    answers: dict[str, Any]
    found: dict[str, Any]

    @property
    def good(self) -> bool:
        """Whether the shop has answered well to what is typed now."""
        return self.state == "done" and self.found.get("check", {}).get("verdict") == "good"


def create(purpose: str, kind: str, actor: str, answers: dict[str, Any], integration_id: int | None = None) -> str:
    """Begin a draft; answers with its token. Drafts that have expired are swept away with it."""
    token = secrets.token_urlsafe(18)
    now = utcnow()
    with writing() as session:
        session.execute(delete(Draft).where(Draft.expires_at < now))
        session.add(
            Draft(token=token, purpose=purpose, kind=kind, actor=actor, integration_id=integration_id, expires_at=now + KEPT,
                  answers_sealed=_seal(answers))
        )  # fmt: skip
    return token


def open_draft(token: str, actor: str, purpose: str) -> OpenDraft:
    """Raises DraftGone."""
    draft = db.session.scalar(_mine(token, actor).where(Draft.purpose == purpose))
    if draft is None:
        raise DraftGone(GONE)
    return _opened(draft)


def list_drafts(actor: str) -> list[OpenDraft]:
    """The set-ups that a person has begun and may go on with, newest first."""
    query = (
        select(Draft).where(Draft.actor == actor, Draft.purpose == "add", Draft.expires_at > utcnow()).order_by(Draft.id.desc())
    )
    return [_opened(draft) for draft in db.session.scalars(query.limit(5))]


def answer(token: str, actor: str, **answers: Any) -> OpenDraft:
    """Keep answers, for another day from now. A changed end point or key makes the last check void. Raises DraftGone."""
    with writing() as session:
        draft = session.scalar(_mine(token, actor).with_for_update())
        if draft is None:
            raise DraftGone(GONE)
        before = _unseal(draft.answers_sealed)
        after = {**before, **answers}
        draft.answers_sealed, draft.expires_at = _seal(after), utcnow() + KEPT
        if any(before.get(name) != after.get(name) for name in ("endpoint", "api_key")):
            draft.check_state, draft.check_ticket, draft.found_sealed, draft.phase = "", "", None, ""
        draft_id = draft.id
    return _opened(db.session.get_one(Draft, draft_id))


def discard(token: str, actor: str) -> None:
    """Keep nothing of a draft; twice is the same as once."""
    with writing() as session:
        session.execute(delete(Draft).where(Draft.token == token, Draft.actor == actor))


def ask_check(token: str, actor: str) -> tuple[int, str]:
    """Note that a check is wanted; answers with the draft's id and the check's ticket, for the queue. Raises DraftGone."""
    ticket = secrets.token_hex(16)
    with writing() as session:
        draft = session.scalar(_mine(token, actor).with_for_update())
        if draft is None:
            raise DraftGone(GONE)
        draft.check_state, draft.check_ticket, draft.check_asked_at = "asked", ticket, utcnow()
        draft.found_sealed, draft.phase = None, ""
        return draft.id, ticket


def begin_check(draft_id: int, ticket: str) -> OpenDraft | None:
    """Take the check up; None where it is not wanted any more, or somebody else has taken it."""
    with writing() as session:
        taken = session.execute(
            update(Draft)
            .where(Draft.id == draft_id, Draft.check_ticket == ticket, Draft.check_state == "asked")
            .values(check_state="checking", check_asked_at=utcnow())
            .execution_options(synchronize_session=False)
        )
        if taken.rowcount != 1:
            return None
    draft = _opened(db.session.get_one(Draft, draft_id))
    db.session.rollback()
    return draft


def say_phase(draft_id: int, ticket: str, phase: str) -> None:
    """Tell the person who waits what the check is at."""
    _note(draft_id, ticket, phase=phase)


def say_alive(draft_id: int, ticket: str) -> None:
    """Tell that the check is still being worked on: without this the page takes its worker for dead."""
    _note(draft_id, ticket, check_asked_at=utcnow())


def end_check(draft_id: int, ticket: str, found: dict[str, Any]) -> bool:
    """Keep what the shop said; False where nobody wants to know any more."""
    return _note(draft_id, ticket, check_state="done", phase="", found_sealed=_seal(found))


def _note(draft_id: int, ticket: str, **values: Any) -> bool:
    with writing() as session:
        noted = session.execute(
            update(Draft)
            .where(Draft.id == draft_id, Draft.check_ticket == ticket, Draft.check_state == "checking")
            .values(**values)
            .execution_options(synchronize_session=False)
        )
        return noted.rowcount == 1


def _mine(token: str, actor: str):
    return select(Draft).where(Draft.token == token, Draft.actor == actor, Draft.expires_at > utcnow())


def _opened(draft: Draft) -> OpenDraft:
    return OpenDraft(
        id=draft.id, token=draft.token, purpose=draft.purpose, kind=draft.kind, integration_id=draft.integration_id,
        actor=draft.actor, state=draft.check_state, heard_at=draft.check_asked_at, phase=draft.phase,
        answers=_unseal(draft.answers_sealed), found=_unseal(draft.found_sealed) if draft.found_sealed else {},
    )  # fmt: skip


def _seal(values: dict[str, Any]) -> bytes:
    return vault.seal(json.dumps(values, separators=(",", ":")))


def _unseal(sealed: bytes) -> dict[str, Any]:
    return json.loads(vault.unseal(sealed))


def trouble_of(error: AppError) -> dict[str, Any]:
    """An error as a verdict, the way a check gives it."""
    return {"verdict": error.code, "message": error.message, "advice": error.advice}
