"""Deliveries of exports by real workers, killed while the receiver has the file and nothing is recorded."""

from __future__ import annotations

import threading

import pytest

from extensions import db, writing
from jobs.exports import enqueue_due_exports
from models import ExportDelivery, ExportTarget
from models.types import utcnow
from tests.support.exports import deliver_to, make_export
from tests.support.processes import wait_until
from tests.support.receivers import Mailbox, smtp_server
from tests.support.rows import make_integration, make_order

MAIL = {"smtp_host": "127.0.0.1", "smtp_from": "Cartlink <cartlink@shop.example>", "smtp_security": "NONE"}


@pytest.mark.deep
@pytest.mark.one_database
@pytest.mark.config(**MAIL)
def test_a_worker_killed_after_the_receiver_took_the_file_sends_the_same_file_again(app, environment, worker):
    make_order(make_integration("Outlet"), "1001", [("CUP", 1)])
    export_id = make_export()
    deliver_to(export_id)
    box, taken, killed = Mailbox(), threading.Event(), threading.Event()

    def at_data() -> str:
        taken.set()
        killed.wait(60)
        return ""

    box.at_data = at_data
    with smtp_server(box) as port:
        names = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(port), "SMTP_FROM": MAIL["smtp_from"], "SMTP_SECURITY": "NONE"}
        first = worker("files", **names)
        enqueue_due_exports()
        assert taken.wait(60)
        first.kill()
        with writing() as session:
            session.query(ExportTarget).one().lease_until = utcnow()
        killed.set()
        box.at_data = None
        worker("files", **names)

        def done() -> bool:
            db.session.rollback()
            enqueue_due_exports()
            return db.session.query(ExportDelivery).one().state == "done"

        wait_until(done, 60, "the file is delivered")
    contents = {(mail["Message-ID"], next(mail.iter_attachments()).get_payload()) for mail in box.mails}
    assert len(box.mails) >= 1 and len(contents) == 1
