"""The heartbeat of a run: it extends the lease while one slow answer keeps the worker waiting."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from types import TracebackType

from flask import Flask, current_app
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError

from extensions import db, writing
from models import SyncRun
from models.types import utcnow
from services.runs import Lease

log = logging.getLogger(__name__)


class Heartbeat:
    """Used as a context manager round the work on a lease. A lease lost meanwhile is noticed by the next gate or page."""

    def __init__(self, lease: Lease):
        self.lease = lease
        self.app: Flask = current_app._get_current_object()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._beat, name=f"heartbeat-{lease.run_id}", daemon=True)

    def __enter__(self) -> Heartbeat:
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.ended.set()
        self.thread.join(timeout=20)

    def _beat(self) -> None:
        lease = self.lease
        while not self.ended.wait(lease.seconds / 4):
            try:
                with self.app.app_context(), writing() as session:
                    session.execute(
                        update(SyncRun)
                        .where(SyncRun.id == lease.run_id, SyncRun.lease_token == lease.token, SyncRun.state == "running")
                        .values(lease_until=utcnow() + timedelta(seconds=lease.seconds))
                        .execution_options(synchronize_session=False)
                    )
            except SQLAlchemyError as trouble:
                log.warning("run %s: the heartbeat failed: %s", lease.run_id, type(trouble).__name__)
            finally:
                with self.app.app_context():
                    db.session.remove()
