"""Lists of the API: a page is read from where the one before ended, never by counting rows.

A cursor holds the keys of the last row and a digest of the path and the filters, signed, so that it fits no other list."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

from flask import request
from msgspec import Meta, Struct
from sqlalchemy import Select

from api.decoding import refuse_parameter
from api.operations import Call
from api.reply import Reply
from extensions import db
from services.common import paging

T = TypeVar("T")


class ListQuery(Struct, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=250, description="How many rows a page has at most.")] = 50
    cursor: Annotated[str, Meta(max_length=1000, description="Where a page begins: take it from `next` of the page before.")] = ""


class Page(Struct, Generic[T]):
    """``next`` is the address of the next page, null on the last one."""

    items: list[T]
    next: str | None


def list_page(
    call: Call, query: Select[Any], keys: Sequence[Any], load: Callable[[list[int]], dict[int, Any]], *, newest: bool
) -> Reply:
    """A page of a select of ids. ``keys`` are its order, the last of them unique; ``newest`` says that all of them fall. ``load`` gives
    what is shown, by id."""
    limit, filters = call.query.limit, _filters()
    query = query.add_columns(*keys).order_by(*(key.desc() if newest else key for key in keys))
    if call.query.cursor:
        try:
            _, last = paging.decode(call.query.cursor, filters, keys)
        except paging.BadCursor:
            raise refuse_parameter(
                "cursor", "The cursor belongs to another list or to other filters.", "invalid_cursor"
            ) from None
        query = query.where(paging.after([(key, newest) for key in keys], last))
    rows = db.session.execute(query.limit(limit + 1)).all()
    following = None
    if len(rows) > limit:
        cursor = paging.encode(paging.FORWARD, rows[limit - 1][1:], filters)
        given = [(name, value) for name, value in request.args.items() if name != "cursor"]
        following = f"{request.path}?{urlencode([*given, ('cursor', cursor)])}"
    ids = [row[0] for row in rows[:limit]]
    found = load(ids) if ids else {}
    headers = {"Link": f'<{following}>; rel="next"'} if following else {}
    return Reply(Page([found[row_id] for row_id in ids if row_id in found], following), headers=headers)


def _filters() -> str:
    """A digest of the path and all that narrows the list."""
    given = sorted((name, value) for name, value in request.args.items() if name not in ("cursor", "limit", "expand"))
    return hashlib.sha256(repr((request.path, given)).encode()).hexdigest()[:16]
