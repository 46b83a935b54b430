"""Where a saved export is delivered and when: set, confirmed and removed by people. Secrets are write-only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from channels import remote_files
from channels.remote_files import HostKey, Place, places
from errors import Conflict, InvalidInput
from extensions import db, writing
from models import ExportTarget, OrderExport
from models.types import utcnow
from services.common import host_names, timetable
from services.common.channel_limits import channel_limits
from services.notify import notifications
from services.orders import export_records, exports
from services.security import audit, vault
from services.security.audit import CHANGED, About, change_of_address, record_change

METHODS = {"email": "Email", "sftp": "SFTP", "https": "Upload to a web address (https)"}
AUTHS = {"email": ("none",), **places.AUTHS}
"""How each method signs in; the first is taken where another was set before the method changed."""
MOST_RECIPIENTS = 10
DEFAULTS: dict[str, Any] = {
    "enabled": True, "method": "email", "recipients": [], "address": "", "path": "", "auth": "none", "user": "", "parameter": "",
    "interval_seconds": None, "times": [], "zone": "UTC", "quiet_from": "", "quiet_until": "", "only_new": True, "send_empty": False,
    "placed_since": None,
}  # fmt: skip
OF_PLAN = ("enabled", "interval_seconds", "times", "zone", "quiet_from", "quiet_until")
SET_UP = audit.kind("order_export.delivery_set_up", "Delivery of an export set up")
SET = audit.kind("order_export.delivery_changed", "Delivery of an export changed")
STOPPED = audit.kind("order_export.delivery_removed", "Delivery of an export removed")
REMOVED = audit.kind("order_export.removed", "Export of orders removed")
CONFIRMED = audit.kind("order_export.host_key_confirmed", "Host key of an export's server confirmed")


@dataclass(frozen=True, slots=True)
class Offered:
    """A host key that a server has shown, and the one that a person has confirmed before, as fingerprints."""

    kind: str
    fingerprint: str
    confirmed: str


def has_targets() -> bool:
    """Whether any export is delivered."""
    return db.session.scalar(select(ExportTarget.id).limit(1)) is not None


def find_target(export_id: int) -> ExportTarget | None:
    return db.session.scalar(select(ExportTarget).where(ExportTarget.export_id == export_id))


def get_target(export_id: int) -> ExportTarget:
    """Raises NotFound, or Conflict where the export is not delivered anywhere."""
    name = exports.get_saved(export_id).name
    found = find_target(export_id)
    if found is None:
        raise Conflict(f"{name} has no delivery.", "Set up first where it is sent.")
    return found


def set_target(export_id: int, values: Mapping[str, Any], actor: str, *, secret: str = "") -> None:
    """Set where and when an export is delivered. ``values`` are some of ``DEFAULTS``; those that are left out stay as they are. An empty secret keeps
    the stored one, unless it would be sent to another server. Raises NotFound or InvalidInput."""
    with writing() as session:
        export = exports.get_saved(export_id)
        row = session.scalar(select(ExportTarget).where(ExportTarget.export_id == export_id).with_for_update())
        is_new = row is None
        before = dict(DEFAULTS) if row is None else {name: getattr(row, name) for name in DEFAULTS}
        after = _checked({**before, **values}, new_zone=row is None or "zone" in values)
        moved = row is not None and _server(before) != _server(after)
        kept = "" if row is None or moved or row.secret_encrypted is None else vault.decrypt(row.secret_encrypted)
        after |= _check_place(after, secret or kept)
        if (after["address"], after["path"]) != (before["address"], before["path"]) and after["method"] != "email":
            remote_files.refuse_upwards(_place_in(after))
        if after["placed_since"] != before["placed_since"]:
            _refuse_future(after["placed_since"])
        if row is not None and before == after and not secret:
            return
        if row is None:
            row = ExportTarget(export_id=export_id, method="")
            session.add(row)
        for name in DEFAULTS:
            setattr(row, name, after[name])
        _keep_secret(row, secret, forget=moved or after["auth"] == "none")
        if moved:
            row.host_key = row.offered_key = ""
        now = utcnow()
        row.changed_at, row.changed_by, row.retry_at = now, actor, None
        if row.due_at is None or any(before[name] != after[name] for name in OF_PLAN):
            plan = timetable.of_row(row)
            row.due_at = timetable.next_due(plan, now) if plan is not None and row.enabled else None
        _record(export, {} if is_new else before, after, bool(secret), actor)


def _record(export: OrderExport, before: Mapping[str, Any], after: Mapping[str, Any], secret: bool, actor: str) -> None:
    """Record what was set. The first time there is nothing before, also where a value is a default: only what is set is recorded then."""
    named = DEFAULTS if before else [name for name in DEFAULTS if after[name]]
    changes = {name: (_said(before.get(name)), _said(after[name])) for name in named}
    changes["address"] = change_of_address(before.get("address"), after["address"] or None if not before else after["address"])
    record_change(
        SET if before else SET_UP, About(export.id, export.name), changes | ({"secret": CHANGED} if secret else {}), actor
    )


def _said(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, list) else value


def _keep_secret(row: ExportTarget, secret: str, *, forget: bool) -> None:
    if secret and row.auth != "none":
        row.secret_encrypted, row.secret_last4 = vault.encrypt(secret), vault.last4(secret)
    elif forget:
        row.secret_encrypted, row.secret_last4 = None, ""


def _checked(values: dict[str, Any], *, new_zone: bool) -> dict[str, Any]:
    """Raises InvalidInput with the field."""
    unknown = values.keys() - DEFAULTS.keys()
    if unknown:
        raise InvalidInput(f"A delivery has no {min(unknown)[:40]!r}.", field=min(unknown))
    if values["method"] not in METHODS:
        raise InvalidInput("Choose how the file is sent.", field="method")
    if values["auth"] not in AUTHS[values["method"]]:
        values["auth"] = AUTHS[values["method"]][0]
    return values | timetable.checked_columns(values, new_zone=new_zone)


def _refuse_future(since: datetime | None) -> None:
    """Raises InvalidInput."""
    if since is not None and since > utcnow():
        raise InvalidInput(
            "That day is in the future: no order would be sent before it.",
            "Choose today or an earlier day.",
            field="placed_since",
        )


def _check_place(values: Mapping[str, Any], secret: str) -> dict[str, Any]:
    """What is stored of the place. Raises InvalidInput for one that nothing can be sent to."""
    if values["method"] == "email":
        found = list(dict.fromkeys(_mailbox(each) for each in values["recipients"] if each.strip()))
        if not 0 < len(found) <= MOST_RECIPIENTS:
            said = f"Enter at most {MOST_RECIPIENTS} email addresses." if found else "Enter the email address that gets the file."
            raise InvalidInput(said, field="recipients")
        return {"recipients": found, "address": "", "path": "", "user": "", "parameter": "", "auth": "none"}
    place = remote_files.check(_place_in(values, secret), channel_limits().allow_private)
    return {"recipients": [], "address": place.address, "path": place.path, "user": place.user, "parameter": place.parameter}


def doubt_about(row: ExportTarget) -> str:
    """A sentence where the host of a delivery is not found; empty where it is. It looks the name up: call it outside ``writing()``."""
    if row.method == "email":
        return ""
    host, port = Place(row.method, row.address).endpoint
    return "" if remote_files.is_known(host, port) else host_names.not_found(host)


def _place_in(values: Mapping[str, Any], secret: str = "") -> Place:
    path = (values["path"].strip() or ".") if values["method"] == "sftp" else ""
    return Place(values["method"], values["address"], path, values["auth"], values["user"], values["parameter"], secret)


def _mailbox(text: str) -> str:
    """Raises InvalidInput."""
    try:
        return notifications.check_address(text)
    except InvalidInput as wrong:
        raise InvalidInput(f"{text.strip()[:100]!r} is not an email address.", wrong.advice, "recipients") from None


def _server(values: Mapping[str, Any]) -> tuple[Any, ...]:
    """The server that gets the file and its secret, and how Cartlink signs in there."""
    return values["auth"], *remote_files.server_of(values["method"], values["address"])


def place_in_words(row: ExportTarget) -> str:
    """``ann@shop.example``, ``sftp.partner.example, folder /in`` or ``https://partner.example/orders/``; without what may be secret."""
    if row.method == "email":
        return ", ".join(row.recipients)
    if row.method == "sftp":
        return row.address if row.path in ("", ".") else f"{row.address}, folder {row.path}"
    return row.address.partition("?")[0]


def places_of(export_ids: Sequence[int]) -> dict[int, str]:
    """Where each of these exports is delivered; those that are not are left out."""
    rows = db.session.scalars(select(ExportTarget).where(ExportTarget.export_id.in_(export_ids)))
    return {row.export_id: place_in_words(row) for row in rows}


def place_of(row: ExportTarget) -> Place:
    """With its secret. Raises ConfigError where that cannot be decrypted."""
    stored = "" if row.secret_encrypted is None else vault.decrypt(row.secret_encrypted)
    return Place(row.method, row.address, row.path, row.auth, row.user, row.parameter, stored, row.host_key)


def offered_key(row: ExportTarget) -> Offered | None:
    """The host key that waits for a person's confirmation."""
    if not row.offered_key:
        return None
    key = HostKey.parse(row.offered_key)
    return Offered(key.kind, key.fingerprint, HostKey.parse(row.host_key).fingerprint if row.host_key else "")


def confirm_key(export_id: int, fingerprint: str, actor: str) -> None:
    """Confirm the host key with this fingerprint, and try again at once. Raises NotFound, or Conflict where the server shows another one by now."""
    with writing() as session:
        row = get_target(export_id)
        offered = offered_key(row)
        if offered is None or offered.fingerprint != fingerprint:
            raise Conflict("This host key does not wait for confirmation any more.", "Look at the key that is shown now.")
        export = session.get_one(OrderExport, export_id)
        record_change(CONFIRMED, About(export.id, export.name), {"host_key": (offered.confirmed or None, fingerprint)}, actor)
        row.host_key, row.offered_key, row.retry_at = row.offered_key, "", None


def remove_target(export_id: int, actor: str) -> None:
    """Deliver an export no more. A file that is not delivered yet is dropped; the record of the others stays. Raises NotFound or Conflict."""
    with writing() as session:
        row, export = get_target(export_id), exports.get_saved(export_id)
        record_change(STOPPED, About(export.id, export.name), actor=actor)
        export_records.drop_live(export_id)
        session.delete(row)


def remove_saved(export_id: int, actor: str) -> None:
    """Remove a saved export. Raises NotFound, or Conflict while it is delivered: only who may stop the delivery can end it."""
    with writing() as session:
        export, row = exports.get_saved(export_id), find_target(export_id)
        if row is not None:
            raise Conflict(f"{export.name} is delivered to {place_in_words(row)}.", "Stop its delivery first.")
        record_change(REMOVED, About(export.id, export.name), actor=actor)
        session.delete(export)


def send_now(export_id: int, actor: str) -> None:
    """Ask for a file now, or try a file that is not delivered yet once more at once. Raises NotFound or Conflict."""
    with writing() as session:
        row, export = get_target(export_id), exports.get_saved(export_id)
        record_change(export_records.ASKED, About(export.id, export.name), actor=actor)
        changes = {"retry_at": None} if export_records.has_live(export_id) else {"asked_by": actor, "retry_at": None}
        session.execute(
            update(ExportTarget).where(ExportTarget.id == row.id).values(changes).execution_options(synchronize_session=False)
        )


def next_file_at(row: ExportTarget) -> datetime | None:
    """When something is done the next time; None for not before a person asks for it."""
    return row.retry_at if row.retry_at is not None else row.due_at
