"""What a person answers in the forms of a feed, as the services know it, and back."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from blueprints.actors import current_actor
from blueprints.feeds.forms import HOUR, FileForm, RulesForm
from blueprints.forms import PageForm, as_answer
from blueprints.htmx import toast
from errors import AppError, Conflict, InvalidInput, QueueAway
from jobs.feeds import enqueue_run
from services.feeds import feed_values, runs, suppliers
from services.onboarding.drafts import OpenDraft
from services.security import vault

SAME = (
    "missing", "missing_after", "priority", "zero_percent", "rows_percent", "unreadable_percent", "zone", "quiet_from", "quiet_until",
    "when_stale",
)  # fmt: skip
"""Fields of RulesForm that are stored as they are."""
RULES = (*SAME, "delta", "excludes_open_orders", "interval_seconds", "times", "stale_after_seconds")
"""The values that the last step asks for."""
FIELDS = {"interval_seconds": "interval", "stale_after_seconds": "stale_hours"}
"""What a value is called in the form, where the names differ."""


def of_place(kept: Mapping[str, Any]) -> dict[str, Any]:
    """What FileForm shows of a draft's answers."""
    sftp = kept.get("method") == "sftp"
    address, auth = kept.get("address", ""), kept.get("auth")
    return {
        **{name: kept.get(name, "") for name in ("name", "path", "user", "parameter", "sheet")},
        "method": kept.get("method") or "https", "url": "" if sftp else address, "host": address if sftp else "",
        "auth": "none" if sftp else auth or "none", "sftp_auth": auth if sftp else "password",
    }  # fmt: skip


def place(form: FileForm) -> dict[str, Any]:
    """Where the file is, as services/feeds/feed_values.py knows it."""
    sftp = form.method.data == "sftp"
    return {
        "name": form.name.data, "method": form.method.data, "address": ((form.host if sftp else form.url).data or "").strip(),
        "path": (form.path.data or "").strip() if sftp else "", "auth": (form.sftp_auth if sftp else form.auth).data,
        "user": (form.user.data or "").strip(), "parameter": (form.parameter.data or "").strip(), "sheet": (form.sheet.data or "").strip(),
    }  # fmt: skip


def typed_secret(form: FileForm) -> str:
    """The password, token or key; the private key where that is what the sign-in needs."""
    if form.method.data == "sftp" and form.sftp_auth.data == "key":
        return (form.private_key.data or "").strip()
    return "" if form.method.data == "https" and form.auth.data == "none" else form.secret.data or ""


def refuse(form: PageForm, error: AppError) -> None:
    """Show the error of a service at the field that asked for it."""
    if isinstance(form, FileForm):
        sftp = form.method.data == "sftp"
        key = sftp and form.sftp_auth.data == "key"
        fields = {
            "address": "host" if sftp else "url",
            "secret": "private_key" if key else "secret",
            "auth": "sftp_auth" if sftp else "auth",
        }
    else:
        fields = FIELDS
    error.field = fields.get(error.field, error.field)
    form.refuse(error)


def show_failure(form: FileForm, draft: OpenDraft) -> None:
    """Show why the check failed, at the field where it can be put right."""
    check = draft.found.get("check", {})
    if draft.state == "done" and check and not draft.good:
        refuse(form, InvalidInput(check["message"], check["advice"], field=check.get("field", "")))


def last4(draft: OpenDraft) -> str:
    """The end of the saved secret that may be shown."""
    typed = draft.answers.get("secret", "")
    if typed or draft.answers.get("feed_id") is None:
        return vault.last4(typed)
    return suppliers.get_feed(draft.answers["feed_id"]).secret_last4


def present_rules(draft: OpenDraft) -> Mapping[str, Any]:
    """The rules to begin with: those of the feed that is changed, or the usual ones."""
    feed_id = draft.answers.get("feed_id")
    if feed_id is None:
        return feed_values.DEFAULTS | {"interval_seconds": HOUR}
    return rules_of(feed_id)


def rules_of(feed_id: int) -> dict[str, Any]:
    """Raises NotFound."""
    feed = suppliers.get_feed(feed_id)
    return {name: getattr(feed, name) for name in RULES}


def of_rules(values: Mapping[str, Any]) -> dict[str, Any]:
    """What RulesForm shows of a feed's values."""
    return {
        **{name: values[name] for name in SAME}, "delta": as_answer(values["delta"]),
        "excludes_open_orders": as_answer(values["excludes_open_orders"]), "schedule": "times" if values["times"] else "interval",
        "interval": str(values["interval_seconds"] or HOUR), "times": ", ".join(values["times"]),
        "stale_hours": max(1, round(values["stale_after_seconds"] / HOUR)),
    }  # fmt: skip


def rules(form: RulesForm) -> dict[str, Any]:
    """The answers as services/feeds/feed_values.py knows them."""
    at_times = form.schedule.data == "times"
    return {
        **{name: form[name].data for name in SAME}, "delta": form.delta.data == "yes",
        "excludes_open_orders": form.excludes_open_orders.data == "yes",
        "interval_seconds": None if at_times else int(form.interval.data),
        "times": [each for each in (form.times.data or "").replace(",", " ").split() if each] if at_times else [],
        "stale_after_seconds": (form.stale_hours.data or 0) * HOUR,
    }  # fmt: skip


def fetch(feed_id: int, *, quiet: bool = False) -> None:
    """Start a run of a feed, unless one is going on or waits for approval; then a message says so, if it is not to be ``quiet``."""
    try:
        enqueue(runs.start(feed_id, current_actor()))
    except Conflict as error:
        if not quiet:
            toast(error.sentence(), "info")


def enqueue(run_id: int) -> None:
    """Put a run on the queue. If the queue is away, a tick does it later."""
    with suppress(QueueAway):
        enqueue_run(run_id)
