"""Signs of life from work that may wait a long time for one slow answer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextvars import copy_context
from types import TracebackType
from typing import Self

from flask import Flask, current_app
from sqlalchemy.exc import SQLAlchemyError

from extensions import db

log = logging.getLogger(__name__)


class Heartbeat:
    """A context manager for the work: calls ``act`` every so many seconds, in a separate thread."""

    def __init__(self, every: float, act: Callable[[], object], name: str):
        self.every = every
        self.act = act
        self.app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        self.ended = threading.Event()
        # With a copy of the context, so that its log lines name the run they are about.
        self.thread = threading.Thread(target=copy_context().run, args=(self._beat,), name=f"heartbeat-{name}", daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.ended.set()
        self.thread.join(timeout=20)

    def _beat(self) -> None:
        while not self.ended.wait(self.every):
            try:
                with self.app.app_context():
                    self.act()
            except SQLAlchemyError as trouble:
                log.warning("%s failed: %s", self.thread.name, type(trouble).__name__)
            finally:
                with self.app.app_context():
                    db.session.remove()
