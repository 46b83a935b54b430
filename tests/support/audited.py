"""Every act of a person or program that changes something is in the audit trail: requests and commands of the tests are watched for what
they write, and one that writes without an entry fails, unless it is exempt here with a reason."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, event

from extensions import _changed_table

BOOKKEEPING = {
    "event_state", "event_change", "event", "event_object",  # the log of events is written by triggers, and read by programs
    "event_endpoint.position", "user_code", "known_browser",  # parts of a sign-in; the sign-in itself is recorded
    "shop",  # how far it was read, and the keys of its digests
    "user_session", "notification", "delivery", "draft", "lookup", "idempotency_key", "api_token",  # used, read, or asked
    "order_text", "order_text_config", "order_text_data", "order_text_idx", "order_text_docsize", "order_text_content",
    "sync_run",  # what an act makes due; a run that a person starts is recorded
    "incident", "incident_event", "sales_of_day", "sales_of_sku", "setting", "preference", "tally", "user",
}  # fmt: skip
"""Tables whose rows change beside an act, or by asking. What people change in some of them on purpose is recorded nevertheless, which the
walk of tests/house/test_audited.py proves."""

EXEMPT = {
    "accounts.second_step": "Only the sign-in that follows counts.",
    "account.begin_two_step": "Nothing counts until a code confirms it.",
    "notifications.read_notification": "Reading changes nothing for others.",
    "notifications.read_all": "Reading changes nothing for others.",
    "onboarding.ask_name": "A draft of one person: nothing is connected yet.",
    "onboarding.ask_shop": "A draft of one person: nothing is connected yet.",
    "onboarding.begin": "A draft of one person: nothing is connected yet.",
    "onboarding.show_address": "Reads only.",
    "onboarding.show_import_preview": "Asks the shop, and changes nothing.",
    "onboarding.cancel": "Drops a draft of one person.",
    "reauthorise.reauthorise": "A draft of one person: the worker that applies a good check records it.",
    "reauthorise.show_address": "Reads only.",
    "reauthorise.cancel": "Drops a draft of one person.",
    **dict.fromkeys(
        (
            "feed_setup.begin",
            "feed_setup.begin_change",
            "feed_setup.ask_file",
            "feed_setup.confirm_key",
            "feed_setup.ask_columns",
        ),
        "A draft of one person: the last step records the feed.",
    ),
    "feed_setup.cancel": "Drops a draft of one person.",
    "integration_settings.show_import_preview": "Reads only.",
    "exports.download_export": "Reads only.",
    "list_views.choose_columns": "How one user sees a list.",
    "list_views.remove_view": "How one user sees a list.",
    "list_views.save_view": "How one user sees a list.",
    "lookup.find_order": "A question.",
    "lookup.count_older": "A question.",
    "lookup.bring_in": "A question; the worker that stores the order writes its timeline.",
}
"""Endpoints that may write without an entry, and those that write nothing, with the reason."""

_watched: dict[int, set[str]] = {}


@event.listens_for(Engine, "after_cursor_execute")
def _note(connection, cursor, statement: str, parameters, context, many) -> None:
    seen = _watched.get(threading.get_ident())
    if seen is not None and cursor.rowcount != 0 and (table := _changed_table(statement)):
        seen.add(table)


@contextmanager
def watched() -> Iterator[set[str]]:
    """The names of the tables that this thread changes inside the block."""
    me = threading.get_ident()
    before, seen = _watched.get(me), set()
    _watched[me] = seen
    try:
        yield seen
    finally:
        if before is None:
            del _watched[me]
        else:
            before |= seen
            _watched[me] = before


def unrecorded(seen: set[str]) -> set[str]:
    """The tables that were changed without an entry in the trail."""
    return set() if "audit_entry" in seen else seen - BOOKKEEPING
