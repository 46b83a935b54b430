"""The difference between a stored order and what was read of it, for orders drawn at random. No database is needed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from services.order_basics.line_matching import Line
from services.orders.delta import NOTED, OrderDelta, ReadLine, ReadOrder, StoredLine, StoredOrder, diff
from services.stock.line_sources import Source

SKUS = ("CUP", "PLATE", "SET", "")
RECIPES = {"CUP": ((1, 1),), "PLATE": ((2, 1),), "SET": ((1, 2), (2, 1)), "": ()}
STAGES = {"open": False, "shipped": False, "cancelled": True, "unclear": None}

lines = st.builds(
    lambda sku, quantity, price, item_id, shipped: (sku, quantity, Decimal(price), item_id, min(shipped, quantity)),
    st.sampled_from(SKUS), st.integers(1, 5), st.integers(1, 3), st.sampled_from(("", "", "7", "8", "9")), st.integers(0, 5),
)  # fmt: skip
orders = st.lists(lines, max_size=5).map(tuple)
stages = st.sampled_from(sorted(STAGES))


def _values(line) -> dict:
    sku, quantity, price, item_id, _ = line
    return {"sku": sku, "name": f"name of {sku}", "quantity": quantity, "price": price, "item_id": item_id}


def _identity(line, shipped: int) -> Line:
    sku, quantity, price, item_id, _ = line
    return Line(item_id, (sku or "name",), price, b"", quantity, shipped)


def _columns(order, stage: str) -> dict:
    total = sum((price * quantity for _, quantity, price, _, _ in order), Decimal(0))
    return {**dict.fromkeys(NOTED, ""), "total": total, "payment_status": stage, "tracking_numbers": []}


def _stage(stage: str) -> str:
    return "cancelled" if stage == "unclear" else stage


def stored(order, stage: str, **more) -> StoredOrder:
    rows = tuple(
        StoredLine(_values(line), position, _identity(line, line[4]), RECIPES[line[0]]) for position, line in enumerate(order)
    )
    return StoredOrder(_columns(order, stage), _stage(stage), STAGES[stage], rows, **more)


def read(order, stage: str, **more) -> ReadOrder:
    rows = tuple(ReadLine(_values(line), _identity(line, 0), Source(RECIPES[line[0]])) for line in order)
    return ReadOrder(_columns(order, stage), _stage(stage), STAGES[stage], rows, **more)


def after(order, stage: str, delta: OrderDelta) -> StoredOrder:
    """The stored order with the difference applied, in memory."""
    before = stored(order, stage)
    kept = {place: line for place, line in enumerate(before.lines) if place not in delta.removed}
    made = []
    for each in delta.lines:
        if each.stored is None:
            made.append(
                StoredLine(each.values, each.position, Line("", (), None, b"", each.values["quantity"]), each.source.recipe)
            )
        else:
            old = kept[each.stored]
            kept[each.stored] = replace(old, values={**old.values, **each.values}, position=each.position)
    found = sorted([*kept.values(), *made], key=lambda line: line.position)
    return replace(before, values={**before.values, **delta.values}, stage=delta.stage, lines=tuple(found))


def pieces(found) -> Counter:
    sold: Counter = Counter()
    for line in found:
        recipe = line.recipe if isinstance(line, StoredLine) else line.source.recipe
        if recipe:
            sold[recipe] += line.values["quantity"]
    return sold


@given(orders, stages)
@settings(deadline=None)
def test_an_order_that_is_read_as_it_is_stored_changes_nothing(order, stage):
    delta = diff(stored(order, stage), read(order, stage))
    assert (dict(delta.values), delta.removed, dict(delta.sold), delta.uncertain, dict(delta.noted)) == (
        {},
        (),
        {},
        frozenset(),
        {},
    )
    assert all(line.values == {} for line in delta.lines)


@given(orders, stages, orders, stages, st.booleans())
@settings(deadline=None)
def test_the_difference_makes_the_stored_order_say_what_was_read(before, was, now, stage, same_copy):
    delta = diff(stored(before, was), shown := read(now, stage, same_copy=same_copy))
    result = after(before, was, delta)
    assert (result.values, result.stage) == (shown.values, shown.stage)
    assert [line.values for line in result.lines] == [line.values for line in shown.lines]
    assert [line.position for line in result.lines] == list(range(len(now)))


@given(orders, stages, orders, stages)
@settings(deadline=None)
def test_what_the_shop_takes_off_its_quantities_is_what_its_lines_take_more(before, was, now, stage):
    delta = diff(stored(before, was), read(now, stage))
    assert not delta.sold or not delta.uncertain
    if STAGES[was] is None or STAGES[stage] is None:
        assert delta.sold == {}
        return
    earlier = Counter() if STAGES[was] else pieces(stored(before, was).lines)
    later = Counter() if STAGES[stage] else pieces(after(before, was, delta).lines)
    assert all(pieces for pieces in delta.sold.values())
    for recipe in {*earlier, *later, *delta.sold}:
        assert earlier[recipe] + delta.sold.get(recipe, 0) == later[recipe]


@given(orders, stages, orders, stages)
@settings(deadline=None)
def test_comparing_changes_neither_side_and_answers_the_same_twice(before, was, now, stage):
    left, right = stored(before, was), read(now, stage)
    first = diff(left, right)
    assert diff(left, right) == first
    assert (left, right) == (stored(before, was), read(now, stage))


@given(orders, stages, orders, stages)
@settings(deadline=None)
def test_a_line_keeps_no_more_pieces_reserved_than_are_left_of_it(before, was, now, stage):
    for line in diff(stored(before, was), read(now, stage)).lines:
        if line.keep is not None:
            assert line.keep == max(0, line.values["quantity"] - before[line.stored][4])
        elif line.stored is not None:
            assert "quantity" not in line.values


@given(orders, orders, stages)
@settings(deadline=None)
def test_an_order_that_becomes_readable_touches_no_stock_if_it_is_over_by_then(before, now, stage):
    seen = read(now, stage)
    delta = diff(stored((), "open", readable=False), seen)
    assert delta.stage_before == delta.stage
    assert delta.cancel_unseen is not True
    if delta.stage != "open":
        assert delta.sold == {}
        # What may have been put back unseen is compared with the shop.
        taken = {line.source.recipe for line in seen.lines} - {()}
        assert delta.uncertain == (set() if seen.put_back is False else taken)
    assert delta.noted["readable"] == [False, True]


@given(orders, stages, orders, stages)
@settings(deadline=None)
def test_only_the_shop_brings_a_deleted_order_back(before, was, now, stage):
    gone = stored(before, was, gone=True)
    assert diff(gone, read(now, stage)).came_back
    assert not diff(gone, read(now, stage, same_copy=True)).came_back


def test_a_cancelled_order_that_was_open_has_to_be_seen():
    one = (("CUP", 1, Decimal(1), "", 0),)
    assert diff(stored(one, "open"), read(one, "cancelled")).cancel_unseen is True
    assert diff(stored(one, "shipped"), read(one, "cancelled")).cancel_unseen is None
    assert diff(stored(one, "cancelled"), read(one, "open")).cancel_unseen is False


def test_a_line_that_comes_back_after_it_was_shipped_is_doubtful():
    one = (("CUP", 1, Decimal(1), "", 0),)
    before = stored((), "open", shipped_away=frozenset({"cup"}))
    assert diff(before, read(one, "open")).doubtful == ("CUP",)
    assert diff(before, read(one, "open", same_copy=True)).doubtful == ()
