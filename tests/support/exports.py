"""Saved exports with a delivery, for tests."""

from __future__ import annotations

from typing import Any

from extensions import writing
from models import ExportTarget
from models.types import utcnow
from services.orders import export_targets, exports
from services.orders.views import Wanted

READY = Wanted(state="ready", sort="oldest")


def make_export(
    name: str = "Warehouse",
    *,
    wanted: Wanted = READY,
    format: str = "csv",
    columns: str = "number email",
) -> int:
    spec = exports.make_spec("order", columns.split(), with_customers=True)
    return exports.save(name, spec, "user:ann", wanted=wanted, format_name=format)


def deliver_over_sftp(export_id: int, server: Any, path: str) -> None:
    """Deliver an export to a folder of a server of ``tests.support.remote_files``, with its user's password."""
    deliver_to(
        export_id, method="sftp", address=f"127.0.0.1:{server.port}", path=path, auth="password", user=server.user,
        secret=server.password,
    )  # fmt: skip


def deliver_to(export_id: int, *, secret: str = "", host_key: str = "", **values: Any) -> None:
    """Deliver an export by email every hour, unless the values say something else; the first file is due at once."""
    given = {"recipients": ["ann@partner.example"]} if values.get("method", "email") == "email" else {}
    export_targets.set_target(export_id, {"interval_seconds": 3600, **given, **values}, "user:ann", secret=secret)
    with writing() as session:
        target = session.query(ExportTarget).filter_by(export_id=export_id).one()
        target.due_at = utcnow()
        target.host_key = host_key or target.host_key
