"""Signs of life from work that waits for one slow answer: a run's lease is extended, the check of a draft is known to go on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextvars import copy_context
from datetime import timedelta
from types import TracebackType
from typing import Self

from flask import Flask, current_app
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError

from extensions import db, writing
from models import SyncRun
from models.types import utcnow
from services.runs import Lease

log = logging.getLogger(__name__)


class Pulse:
    """Used as a context manager round the work: calls ``act`` every so many seconds, in a thread of its own."""

    def __init__(self, every: float, act: Callable[[], object], name: str):
        self.every = every
        self.act = act
        self.app: Flask = current_app._get_current_object()
        self.ended = threading.Event()
        # With a copy of the context, so that what it logs says which run it is about.
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


class Heartbeat(Pulse):
    """Extends the lease that is worked on. A lease lost meanwhile is noticed by the next gate or page."""

    def __init__(self, lease: Lease):
        self.lease = lease
        super().__init__(lease.seconds / 4, self._extend, f"run-{lease.run_id}")

    def _extend(self) -> None:
        lease = self.lease
        with writing() as session:
            session.execute(
                update(SyncRun)
                .where(SyncRun.id == lease.run_id, SyncRun.lease_token == lease.token, SyncRun.state == "running")
                .values(lease_until=utcnow() + timedelta(seconds=lease.seconds))
                .execution_options(synchronize_session=False)
            )
