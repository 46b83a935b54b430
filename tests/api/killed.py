"""Cartlink for tests that kill its page server at an exact place: a request says in the header X-Kill where its process is to end."""

from __future__ import annotations

import os
import signal
from typing import Any

from flask import Flask, request

from api import idempotency, operations
from app import create_app as create

BEFORE_COMMIT, BEFORE_ANSWER = "before-commit", "before-answer"


def create_app() -> Flask:
    """For gunicorn, which starts another process in place of one that was killed."""
    answer_of, respond = idempotency._answer_of, operations.respond

    def answer_then_die(act: Any) -> Any:
        reply = answer_of(act)
        die_at(BEFORE_COMMIT)
        return reply

    def die_then_respond(reply: Any) -> Any:
        die_at(BEFORE_ANSWER)
        return respond(reply)

    idempotency._answer_of, operations.respond = answer_then_die, die_then_respond
    return create()


def die_at(place: str) -> None:
    if request.headers.get("X-Kill") == place:
        os.kill(os.getpid(), signal.SIGKILL)
