"""``Idempotency-Key``: a request that acts does so once, however often it is sent.

The key, the answer and the effect are one transaction, so a program that got no answer sends the request again and gets the first one's. An
answer of 500 or more is never kept, because nothing was done then. Keys are a token's own and are kept for seven days."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from datetime import timedelta

import msgspec
from flask import request
from sqlalchemy import delete, func, select

from api.problems import MEDIA_TYPE, Problem, of_app_error
from api.reply import Reply
from errors import AppError
from extensions import db, one_transaction
from models import IdempotencyKey
from models.types import utcnow
from services.common.deadlocks import retry_on_deadlock

HEADER = "Idempotency-Key"
PATTERN = re.compile(r"[\x21-\x7e]{1,255}")
KEPT = timedelta(days=7)
IN_PROGRESS = ("idempotency_in_progress", "A request with this Idempotency-Key is in progress. Send it again in a moment.")

_working: set[tuple[int, str]] = set()
_lock = threading.Lock()


def read_key() -> str:
    """The key of the present request. Raises Problem 400."""
    key = request.headers.get(HEADER, "").strip()
    if not PATTERN.fullmatch(key):
        raise Problem(
            400, "idempotency_key_invalid", f"Send {HEADER} with 1 to 255 visible ASCII characters, a new one for each act."
        )
    return key


def do_once(token_id: int, key: str, content: bytes, act: Callable[[], Reply]) -> Reply:
    """Do the act of the present request under its key, or answer as before. Raises Problem."""
    asked = f"{request.method} {request.full_path}\n".encode()
    digest = hashlib.sha256(asked + content).digest()
    with _lock:
        if (token_id, key) in _working:
            raise Problem(409, *IN_PROGRESS, headers={"Retry-After": "1"})
        _working.add((token_id, key))
    try:
        reply = _do(token_id, key, digest, act)
    finally:
        with _lock:
            _working.discard((token_id, key))
    if reply.after is not None:
        reply.after()
    return reply


@retry_on_deadlock
def _do(token_id: int, key: str, digest: bytes, act: Callable[[], Reply]) -> Reply:
    with one_transaction() as session:
        _take(token_id, key)
        kept = session.scalar(
            select(IdempotencyKey).where(
                IdempotencyKey.token_id == token_id, IdempotencyKey.key == key, IdempotencyKey.created_at > utcnow() - KEPT
            )
        )
        if kept is not None:
            return _again(kept, digest)
        reply = _answer_of(act)
        session.execute(
            delete(IdempotencyKey).where(IdempotencyKey.token_id == token_id, IdempotencyKey.created_at <= utcnow() - KEPT)
        )
        session.add(
            IdempotencyKey(token_id=token_id, key=key, request_digest=digest, status=reply.status, headers=reply.headers,
                           media_type=reply.media_type, answer=reply.content)
        )  # fmt: skip
        return reply


def _take(token_id: int, key: str) -> None:
    """Keep other processes from the same key until the transaction ends; SQLite has one writer at a time anyway. Raises Problem 409."""
    if db.engine.dialect.name != "postgresql":
        return
    number = int.from_bytes(hashlib.sha256(f"{token_id}:{key}".encode()).digest()[:8], signed=True)
    if not db.session.scalar(select(func.pg_try_advisory_xact_lock(number))):
        raise Problem(409, *IN_PROGRESS, headers={"Retry-After": "1"})


def _answer_of(act: Callable[[], Reply]) -> Reply:
    """What the act came to, encoded. A refusal has undone what the act did, and is kept as well. Raises what is a fault of ours."""
    try:
        with db.session.begin_nested():
            reply = act()
            db.session.flush()
    except AppError as error:
        if error.status >= 500:
            raise
        reply = _of_problem(of_app_error(error))
    except Problem as problem:
        reply = _of_problem(problem)
    if reply.content is None:
        reply.content = b"" if reply.body is None else msgspec.json.encode(reply.body)
    return reply


def _of_problem(problem: Problem) -> Reply:
    return Reply(status=problem.status, headers=problem.headers, content=problem.body(), media_type=MEDIA_TYPE)


def _again(kept: IdempotencyKey, digest: bytes) -> Reply:
    if kept.request_digest != digest:
        raise Problem(
            422, "idempotency_key_reused", "This Idempotency-Key was used for another request. Use a new one for each act."
        )
    return Reply(
        status=kept.status, headers={**kept.headers, "Idempotency-Replayed": "true"}, content=kept.answer, media_type=kept.media_type
    )  # fmt: skip
