"""A feed that is being set up, or whose file is being changed: a draft until its last step, in which it becomes a feed of a supplier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from channels.remote_files import Place
from errors import Conflict, InvalidInput
from extensions import one_transaction
from services.feeds import feed_values, suppliers
from services.onboarding import drafts
from services.onboarding.drafts import OpenDraft
from services.presets import presets
from services.stock import file_columns

PURPOSE = "feed"
PLACE = ("name", "method", "address", "path", "auth", "user", "parameter", "sheet")
"""What the first step asks for, with the secret."""
OF_FILE = (*PLACE, "columns", "headings")
"""What the steps before the last ask for."""


def begin(supplier_id: int, actor: str) -> str:
    """A draft of a new feed; returns its token. Raises NotFound."""
    supplier = suppliers.get_supplier(supplier_id)
    return drafts.create(PURPOSE, "feed", actor, {"supplier_id": supplier.id, "feed_id": None, "name": "", "secret": ""})


def begin_change(feed_id: int, actor: str) -> str:
    """A draft of where a feed's file is and how it is read; returns its token. Raises NotFound."""
    feed = suppliers.get_feed(feed_id)
    kept = {name: getattr(feed, name) for name in OF_FILE}
    about = {"supplier_id": feed.supplier_id, "feed_id": feed.id, "host_key": feed.host_key, "secret": ""}
    return drafts.create(PURPOSE, "feed", actor, kept | about)


def open_setup(token: str, actor: str) -> OpenDraft:
    """Raises DraftGone."""
    return drafts.open_draft(token, actor, PURPOSE)


def list_unfinished(actor: str) -> list[tuple[OpenDraft, str]]:
    """New feeds that a user can go on with, newest first, each with the name of its supplier."""
    found = [draft for draft in drafts.list_drafts(actor, PURPOSE) if draft.answers.get("feed_id") is None]
    named = suppliers.names_of(draft.answers["supplier_id"] for draft in found)
    return [(draft, named[draft.answers["supplier_id"]]) for draft in found if draft.answers["supplier_id"] in named]


def keep_place(draft: OpenDraft, actor: str, values: Mapping[str, Any], secret: str) -> OpenDraft:
    """Store where the file is, valid or not, so that nothing has to be typed twice. An empty ``secret`` keeps the one that was typed before.
    Raises InvalidInput for what cannot be used, and DraftGone."""
    given = {name: values[name] for name in PLACE}
    moved = any(draft.answers.get(name, "") != given[name] for name in ("method", "address"))
    host_key = "" if moved else draft.answers.get("host_key", "")
    kept = drafts.answer(draft.token, actor, **given, secret=secret or draft.answers.get("secret", ""), host_key=host_key)
    feed_values.checked(given, secret_of(kept))
    return kept


def place_of(draft: OpenDraft) -> Place:
    """Where the file is, with what it takes to get it."""
    given = {name: draft.answers[name] for name in ("method", "address", "path", "auth", "user", "parameter")}
    return Place(**given, secret=secret_of(draft), host_key=draft.answers.get("host_key", ""))


def has_secret(draft: OpenDraft) -> bool:
    """Whether a password or key is known: typed in this draft, or saved with the feed for the server that is named now."""
    return bool(draft.answers.get("secret") or _saved(draft))


def secret_of(draft: OpenDraft) -> str:
    """What is sent to the supplier's server. A saved one is never sent to another server than the feed's."""
    return str(draft.answers.get("secret") or _saved(draft))


def _saved(draft: OpenDraft) -> str:
    if draft.answers.get("feed_id") is None:
        return ""
    feed = suppliers.get_feed(draft.answers["feed_id"])
    present = {"method": feed.method, "address": feed.address}
    named = {name: draft.answers.get(name, "") for name in present}
    return "" if feed_values.leads_elsewhere(present, named) else suppliers.secret_of(feed)


def confirm_key(draft: OpenDraft, fingerprint: str, actor: str) -> None:
    """Note that a person has compared the host key that the last check found. Raises Conflict where that was another one."""
    key = draft.found.get("key", {})
    if not key or key["fingerprint"] != fingerprint:
        raise Conflict("The server was asked again meanwhile.", "Compare the fingerprint that is shown now.")
    drafts.answer(draft.token, actor, host_key=key["host_key"])


def suggested(draft: OpenDraft) -> dict[str, Any]:
    """The columns and options to begin with: those that are assigned, those that are remembered for files with these headings, or those that
    fit best."""
    headings: Sequence[str] = draft.found["headings"]
    kept = draft.answers.get("columns")
    if kept and set(kept["columns"].values()) - {""} <= set(headings):
        return dict(kept)
    preset = presets.find_preset(file_columns.KIND, headings)
    if preset is not None:
        return {"columns": preset.columns, "options": preset.options}
    return {"columns": file_columns.suggest(headings), "options": {}}


def keep_columns(draft: OpenDraft, actor: str, columns: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """Raises InvalidInput for columns or options that cannot be used."""
    headings = draft.found["headings"]
    kept = file_columns.check_preset(headings, columns, options)
    assigned = {"columns": dict(columns), "options": kept, "letters": draft.found.get("letters", "")}
    drafts.answer(draft.token, actor, columns=assigned, headings=headings)


def save(draft: OpenDraft, actor: str, rules: Mapping[str, Any]) -> int:
    """Make the feed, or change it; returns its id. ``rules`` are the values of feed_values that the steps before did not ask for. Raises
    InvalidInput with the field that is wrong."""
    answers = draft.answers
    if answers.get("columns") is None or not draft.good:
        raise InvalidInput("The columns are not assigned yet.", "Go back to the step before.")
    values = {name: answers[name] for name in OF_FILE} | dict(rules)
    with one_transaction():
        if answers["feed_id"] is None:
            feed_id = suppliers.create_feed(answers["supplier_id"], actor, **values, secret=answers["secret"])
        else:
            feed_id = int(answers["feed_id"])
            suppliers.change_feed(feed_id, actor, **values, secret=answers["secret"])
        host_key = answers.get("host_key", "")
        if host_key and suppliers.get_feed(feed_id).host_key != host_key:
            suppliers.confirm_host_key(feed_id, host_key, actor)
    drafts.discard(draft.token, actor)
    return feed_id
