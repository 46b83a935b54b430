"""``connections``: shops that a program wants to connect. The shop is asked first, so the answer comes later, at the connection's address."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from api.operations import Call, operation
from api.reply import Reply
from api.shapes import Body
from errors import InvalidInput, QueueAway
from jobs.checks import enqueue_check
from services.integrations import lifecycle
from services.onboarding import drafts
from services.onboarding.drafts import OpenDraft
from services.shops import connection, kinds

INTERRUPTED = (
    "interrupted", "The check did not come to its end: no worker was free for it, or the one that did it was stopped. Nothing is known about the shop.",
    "List the integrations. If the shop is not among them, connect it again with a new Idempotency-Key.",
)  # fmt: skip
OWNER = {"scope": "integrations:write", "role": "owner"}


class NewConnection(Body):
    """``kind`` is the shop software, ``endpoint`` the shop's address or that of its admin page, ``api_key`` the key for reading and writing. It is
    in no answer. Orders placed since ``orders_since`` are downloaded, by default those of the last 30 days. Everything else is set afterwards
    with the integration's settings."""

    kind: Annotated[str, Meta(min_length=1, max_length=20)]
    name: Annotated[str, Meta(min_length=1, max_length=300)]
    endpoint: Annotated[str, Meta(min_length=1, max_length=500)]
    api_key: Annotated[str, Meta(min_length=1, max_length=200)]
    use_tax: bool = False
    use_shipping_tax: bool = False
    surcharge_name: Annotated[str, Meta(max_length=200)] = ""
    orders_since: Annotated[datetime, Meta(tz=True)] | None = None


class Connection(Struct):
    """``state`` is checking, connected or failed. ``code``, ``message`` and ``advice`` say why it failed, ``phase`` what is being done. The code
    ``interrupted`` says that the check did not come to its end, which is no fault of the shop. It can be read for a day."""

    id: str
    name: str
    endpoint: str
    state: Literal["checking", "connected", "failed"]
    phase: str
    integration_id: str | None
    code: str
    message: str
    advice: str
    created_at: datetime


@operation(
    "POST", "/integrations", "Connect a shop: address and key are checked, then it is enabled", body=NewConnection,
    answers={202: Connection}, **OWNER,
)  # fmt: skip
def create_integration(call: Call) -> Reply:
    token = drafts.create("connect", call.body.kind, call.actor, _checked(call.body))
    draft_id, ticket = drafts.ask_check(token, call.actor)

    def follow() -> None:
        # The connection says so where no worker takes it.
        with suppress(QueueAway):
            enqueue_check(draft_id, ticket)

    shown = _shown(drafts.of_program(draft_id))
    return Reply(shown, 202, {"Location": f"/api/v1/connections/{draft_id}"}, after=follow)


@operation(
    "GET", "/connections/<int:connection_id>", "Get what became of a shop that a program has asked to connect",
    answers={200: Connection}, **OWNER,
)  # fmt: skip
def get_connection(call: Call, connection_id: int) -> Connection:
    return _shown(drafts.of_program(connection_id))


def _checked(new: NewConnection) -> dict[str, object]:
    """The answers of the draft. Raises InvalidInput or NameTaken for what is wrong without asking the shop."""
    if new.kind not in {each.kind for each in kinds.list_kinds()}:
        raise InvalidInput("There is no such kind of shop.", field="kind")
    lifecycle.refuse_taken_name(lifecycle.clean_name(new.name))
    connection.normalise(new.kind, new.endpoint)
    if not new.api_key.strip():
        raise InvalidInput("Enter the API key.", field="api_key")
    since = "" if new.orders_since is None else new.orders_since.isoformat()
    if since:
        try:
            lifecycle.parse_since(since)
        except InvalidInput as refused:
            refused.field = "orders_since"
            raise
    return {
        "name": new.name, "endpoint": new.endpoint, "api_key": new.api_key, "use_tax": new.use_tax, "use_shipping_tax": new.use_shipping_tax,
        "surcharge_name": new.surcharge_name, "since": since,
    }  # fmt: skip


def _shown(draft: OpenDraft) -> Connection:
    found = draft.found
    integration_id = found.get("integration_id")
    state: Literal["checking", "connected", "failed"] = "checking"
    why = ("", "", "")
    if integration_id is not None:
        state = "connected"
    elif draft.state == "done":
        state, check = "failed", found.get("check", {})
        why = (check.get("verdict", ""), check.get("message", ""), check.get("advice", ""))
    elif draft.lease_until is None or draft.is_late:
        state, why = "failed", INTERRUPTED
    return Connection(
        str(draft.id), draft.answers["name"], draft.answers["endpoint"], state, draft.phase,
        None if integration_id is None else str(integration_id), *why, draft.created_at,
    )  # fmt: skip
