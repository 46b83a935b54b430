"""The form of where and when a saved export is delivered."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from wtforms import DateField, PasswordField, RadioField, SelectField, StringField, TextAreaField
from wtforms.validators import Optional, ValidationError

from blueprints.formats import reader_zone
from blueprints.forms import PageForm, as_answer, choices, offer_zones, yes_no
from blueprints.labels import SIGN_INS
from errors import AppError
from models import ExportTarget
from services.orders.export_targets import METHODS

PLANS = {"times": "At times of day", "interval": "At intervals", "none": "Only when I send it"}
INTERVALS = {
    "900": "15 minutes", "1800": "30 minutes", "3600": "hour", "7200": "2 hours", "14400": "4 hours", "28800": "8 hours", "43200": "12 hours",
    "86400": "day", "604800": "week",
}  # fmt: skip
PLAIN = {"autocomplete": "off", "spellcheck": "false"}
OF_PLACE = {"sftp": ("address", "path", "auth", "user", "secret"), "https": ("address", "auth", "user", "parameter", "secret")}


class SecretText(TextAreaField):
    """What is typed is never shown again, as in a PasswordField."""

    def _value(self) -> str:
        return ""


class DayField(DateField):
    def process_formdata(self, values: list[str]) -> None:
        try:
            super().process_formdata(values)
        except ValueError:
            raise ValueError("That is not a date. Enter it like 2026-11-30.") from None


class TargetForm(PageForm):
    """A field of a place is named after the method, such as ``sftp_address``."""

    method = RadioField("Send it by", choices=choices(METHODS), default="email")
    recipients = TextAreaField("Email addresses", render_kw={"rows": 3, "inputmode": "email", **PLAIN})
    sftp_address = StringField("Server", render_kw=PLAIN)
    sftp_path = StringField("Folder", render_kw=PLAIN)
    sftp_auth = SelectField("Sign in with", choices=choices(SIGN_INS["sftp"]))
    sftp_user = StringField("User name", render_kw=PLAIN)
    sftp_secret = SecretText("Password or private key", render_kw={"rows": 3, "class": "secret-text", **PLAIN})
    https_address = StringField("Address", render_kw={"inputmode": "url", **PLAIN})
    https_auth = SelectField("Sign in with", choices=choices(SIGN_INS["https"]))
    https_user = StringField("User name", render_kw=PLAIN)
    https_parameter = StringField("Name of the header or parameter", render_kw=PLAIN)
    https_secret = PasswordField("Password, token or key", render_kw={"autocomplete": "new-password"})
    plan = RadioField("When", choices=choices(PLANS), default="times")
    times = StringField("Times of day", render_kw=PLAIN)
    interval_seconds = SelectField("Every", choices=choices(INTERVALS), default="3600")
    quiet_from = StringField("Quiet hours from", render_kw={"inputmode": "numeric", **PLAIN})
    quiet_until = StringField("Quiet hours until", render_kw={"inputmode": "numeric", **PLAIN})
    zone = SelectField("Time zone")
    enabled = yes_no("Send it on schedule")
    only_new = yes_no("Send each order only once")
    placed_since = DayField("Orders placed from", [Optional()])
    send_empty = yes_no("Send a file without orders too")

    @classmethod
    def of(cls, row: ExportTarget | None) -> TargetForm:
        """With what is stored; for a new delivery, with what most people want."""
        form = cls(data=_shown(row))
        offer_zones(form.zone, row.zone if row is not None else str(reader_zone()))
        return form

    def validate_times(self, field: StringField) -> None:
        if self.plan.data == "times" and not (field.data or "").strip():
            raise ValidationError("Enter at least one time of day.")

    def values(self) -> dict[str, Any]:
        """As services/orders/export_targets.py takes them."""
        method = self.method.data
        place = {name: self[f"{method}_{name}"].data or "" for name in OF_PLACE.get(method, ()) if name != "secret"}
        interval = int(self.interval_seconds.data) if self.plan.data == "interval" else None
        day = self.placed_since.data
        return {
            **place, "method": method, "recipients": (self.recipients.data or "").replace(",", "\n").replace(";", "\n").splitlines(),
            "interval_seconds": interval, "times": [self.times.data or ""] if self.plan.data == "times" else [],
            "quiet_from": self.quiet_from.data or "", "quiet_until": self.quiet_until.data or "", "zone": self.zone.data,
            **{name: self[name].data == "yes" for name in ("enabled", "only_new", "send_empty")},
            "placed_since": None if day is None else datetime.combine(day, time(), reader_zone()).astimezone(UTC),
        }  # fmt: skip

    def secret(self) -> str:
        method = self.method.data
        given = self[f"{method}_secret"].data or "" if method in OF_PLACE else ""
        return given if method == "sftp" and self.sftp_auth.data == "key" else given.strip("\r\n")

    def refuse(self, error: AppError) -> None:
        name = f"{self.method.data}_{error.field}"
        if error.field and name in self:
            self[name].errors = [*self[name].errors, error.sentence()]
        else:
            super().refuse(error)


def _shown(row: ExportTarget | None) -> dict[str, Any]:
    if row is None:
        today = datetime.now(reader_zone()).date()
        return {
            "zone": str(reader_zone()), "enabled": "yes", "only_new": "yes", "send_empty": "no", "placed_since": today, "times": "06:00",
            "sftp_path": "/",
        }  # fmt: skip
    place = {f"{row.method}_{name}": getattr(row, name) for name in OF_PLACE.get(row.method, ()) if name != "secret"}
    since = row.placed_since
    return {
        **place, "method": row.method, "recipients": "\n".join(row.recipients), "times": ", ".join(row.times) or "06:00",
        "plan": "times" if row.times else "none" if row.interval_seconds is None else "interval",
        "interval_seconds": str(row.interval_seconds or 3600), "quiet_from": row.quiet_from, "quiet_until": row.quiet_until, "zone": row.zone,
        **{name: as_answer(getattr(row, name)) for name in ("enabled", "only_new", "send_empty")},
        "placed_since": None if since is None else since.astimezone(reader_zone()).date(),
    }  # fmt: skip
