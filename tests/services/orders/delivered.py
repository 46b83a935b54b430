"""What tests of deliveries of exports set up and look at."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

from extensions import db, writing
from models import ExportDelivery, ExportTarget, Order
from services.orders import export_targets
from tests.support.rows import PLACED, make_order


def order(shop, number: str, **values) -> int:
    return make_order(
        shop,
        number,
        [("CUP", 1)],
        email=f"{number}@buyer.example",
        **{"placed_at": PLACED + timedelta(minutes=int(number)), **values},
    ).id


def set_state(order_id: int, state: str) -> None:
    with writing() as session:
        session.get_one(Order, order_id).state = state


def target(export_id: int) -> ExportTarget:
    db.session.rollback()
    return export_targets.get_target(export_id)


def deliveries(**where) -> list[ExportDelivery]:
    db.session.rollback()
    return db.session.query(ExportDelivery).filter_by(**where).order_by(ExportDelivery.id).all()


def numbers_in(content: bytes) -> list[str]:
    return [row["number"] for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig")))]


def attached(mail) -> tuple[str, bytes]:
    (part,) = mail.iter_attachments()
    return part.get_filename(), part.get_content() if isinstance(part.get_content(), bytes) else part.get_payload(decode=True)
