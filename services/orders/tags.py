"""Tags of orders: short labels that people set, and that lists are filtered by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, delete, func, select
from sqlalchemy.exc import IntegrityError

from errors import InvalidInput
from extensions import db, reading, writing
from models import Order, OrderTag, Tag
from models.types import utcnow
from services.common.deadlocks import retry_on_deadlock
from services.common.text import one_line
from services.order_basics.audited import TAGGED, about_order
from services.orders.notes import lock_order
from services.security.audit import record_change

MOST_NAME, MOST_OF_ORDER, MOST_TAGS = 40, 20, 200
MOST_FOUND = 2_001
"""Orders that a list shows of a tag: the newest here, as many as of a search (services/orders/search.py). Files have all of them."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """``tags`` are the names afterwards; ``changed`` whether anything was."""

    tags: list[str]
    changed: bool


def list_tags() -> list[Tag]:
    """All tags, by name."""
    return list(db.session.scalars(select(Tag).order_by(Tag.name_key).limit(MOST_TAGS)))


def of_orders(order_ids: Sequence[int]) -> dict[int, list[str]]:
    """The names of the tags of orders, by order."""
    query = select(OrderTag.order_id, Tag.name).join(Tag, Tag.id == OrderTag.tag_id).where(OrderTag.order_id.in_(order_ids))
    found: dict[int, list[str]] = defaultdict(list)
    for order_id, name in db.session.execute(query.order_by(Tag.name_key)):
        found[order_id].append(name)
    return found


def find_tag(name: str) -> int:
    """The id of a tag by its name; -1, which no tag has, for an unknown one."""
    return db.session.scalar(select(Tag.id).where(Tag.name_key == _key(name))) or -1


def orders_with(tag_id: int, *, everything: bool = False) -> Select[int]:
    """The ids of the orders that have a tag: the newest for a list, or all."""
    query = select(OrderTag.order_id).where(OrderTag.tag_id == tag_id)
    return query if everything else query.order_by(OrderTag.order_id.desc()).limit(MOST_FOUND)


def change_tags(
    order_id: int, actor: str, *, add: Iterable[str] = (), remove: Iterable[str] = (), only: Iterable[str] | None = None
) -> Tagged:  # fmt: skip
    """Set and take off tags; those the order has, or has not, are passed over. With ``only`` it has just these afterwards.
    Raises NotFound or InvalidInput."""
    added = {_key(name): name for name in map(_clean, add if only is None else only)}
    removed = {_key(name) for name in remove}
    try:
        return _change(order_id, actor, added, removed, replacing=only is not None)
    except IntegrityError:
        # Somebody has just added the same tag.
        return _change(order_id, actor, added, removed, replacing=only is not None)


def tag_many(order_ids: Iterable[int], name: str, actor: str) -> int:
    """Set a tag on several orders; returns how many had it not. Raises InvalidInput; unknown orders are passed over."""
    name = _clean(name)
    with reading():
        known = list(db.session.scalars(select(Order.id).where(Order.id.in_(list(order_ids)))))
    return sum(change_tags(order_id, actor, add=[name]).changed for order_id in known)


@retry_on_deadlock
def _change(order_id: int, actor: str, added: dict[str, str], removed: set[str], *, replacing: bool) -> Tagged:
    with writing():
        order = lock_order(order_id)
        before = {_key(name): name for name in of_orders([order_id])[order_id]}
        wanted = added if replacing else before | {key: name for key, name in added.items() if key not in before}
        after = {key: name for key, name in wanted.items() if key not in removed}
        if after.keys() == before.keys():
            return Tagged(list(before.values()), False)
        if len(after) > MOST_OF_ORDER:
            raise InvalidInput(f"An order can have {MOST_OF_ORDER} tags at most.", "Take some off first.", field="tag")
        names = _store(order_id, before, after)
        record_change(TAGGED, about_order(order), {"tags": (", ".join(before.values()), ", ".join(names))}, actor)
        order.updated_at = utcnow()
        return Tagged(names, True)


def _store(order_id: int, before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Write the difference; returns the names that are stored. Rows of tags are locked, so that none is deleted while another order gets it."""
    session = db.session
    query = select(Tag).where(Tag.name_key.in_([*before, *after])).order_by(Tag.id).with_for_update()
    tags = {tag.name_key: tag for tag in session.scalars(query)}
    for key in after.keys() - tags.keys():
        if (session.scalar(select(func.count()).select_from(Tag)) or 0) >= MOST_TAGS:
            raise InvalidInput(f"There are {MOST_TAGS} tags already.", "Use one of them.", field="tag")
        tags[key] = Tag(name=after[key], name_key=key)
        session.add(tags[key])
        session.flush()
    gone = [tags[key].id for key in before.keys() - after.keys()]
    session.execute(delete(OrderTag).where(OrderTag.order_id == order_id, OrderTag.tag_id.in_(gone)))
    session.add_all([OrderTag(order_id=order_id, tag_id=tags[key].id) for key in sorted(after.keys() - before.keys())])
    session.flush()
    unused = ~select(OrderTag.tag_id).where(OrderTag.tag_id == Tag.id).exists()
    session.execute(delete(Tag).where(Tag.id.in_(gone), unused).execution_options(synchronize_session=False))
    return of_orders([order_id])[order_id]


def _clean(name: str) -> str:
    """Raises InvalidInput."""
    name = one_line(name, MOST_NAME, "tag", "tag")
    if not name or "," in name:
        raise InvalidInput("Enter a tag without commas." if name else "Enter a tag.", field="tag")
    return name


def _key(name: str) -> str:
    return " ".join(name.split()).casefold()
