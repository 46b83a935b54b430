"""``orders/{id}/tags`` and ``orders/{id}/notes``: what people and programs note about orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from api.operations import Call, operation
from api.reply import Reply
from api.shapes import Body
from services.orders import notes, tags

Tag = Annotated[str, Meta(min_length=1, max_length=tags.MOST_NAME)]
Tags = Annotated[list[Tag], Meta(max_length=tags.MOST_OF_ORDER)]


class Note(Struct):
    """An internal note, never sent to the shop."""

    id: str
    at: datetime
    actor: str
    text: str


class TagsOfOrder(Struct):
    """The tags that the order has now."""

    tags: list[str]


class NoteAdded(Struct):
    """Without the text, which may hold personal data: the answer is kept for the idempotency key."""

    id: str


class TagChanges(Body):
    """Tags that the order has, or has not, are passed over."""

    add: Tags = []
    remove: Tags = []


class NewNote(Body):
    text: Annotated[str, Meta(min_length=1, max_length=notes.MOST_TEXT)]


@operation(
    "POST", "/orders/<int:order_id>/tags", "Set and take off tags of an order", scope="orders:write", role="manager", body=TagChanges,
    answers={200: TagsOfOrder},
)  # fmt: skip
def change_tags(call: Call, order_id: int) -> TagsOfOrder:
    wanted: TagChanges = call.body
    return TagsOfOrder(tags.change_tags(order_id, call.actor, add=wanted.add, remove=wanted.remove).tags)


@operation(
    "POST", "/orders/<int:order_id>/notes", "Add an internal note to an order", scope="orders:write", role="manager", body=NewNote,
    answers={201: NoteAdded},
)  # fmt: skip
def add_note(call: Call, order_id: int) -> Reply:
    note_id = notes.add_note(order_id, call.body.text, call.actor)
    return Reply(NoteAdded(str(note_id)), 201, {"Location": f"/api/v1/orders/{order_id}?expand=notes"})


def notes_of(order_ids: Sequence[int]) -> dict[int, list[Note]]:
    """The notes of orders, oldest first, by order; for those who may see customers."""
    return {
        order_id: [Note(str(row.id), row.at, row.actor, row.text) for row in rows]
        for order_id, rows in notes.of_orders(order_ids).items()
    }
