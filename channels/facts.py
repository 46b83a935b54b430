"""What holds for every shop of one kind, so that callers need neither a request nor knowledge of the kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Stage = Literal["open", "shipped", "cancelled"]


@dataclass(frozen=True, slots=True)
class KindFacts:
    """Statuses are codes of the shop, a pair is (payment status, shipping status).

    ``stage`` says how far an order with a pair of statuses is. ``puts_back`` says whether the shop puts the units of such an
    order back on its shelf; None if that is not known. ``statuses`` are the names of the statuses that every shop has, by kind
    (``payment``, ``shipping``) and code. Orders with one of the pairs ``ready_statuses`` are ready to ship ("*": any status),
    and shipped ones get ``shipped_status``, unless a person chooses otherwise. ``ready_choices`` are the usual choices: a name of
    each, what it is called, and its pairs. Orders with a shipping status among
    ``back_ordered`` wait for goods. ``generations`` are the names of the generations. ``key_advice`` says what to do about a key that a check of a generation refused: the
    first argument is the verdict, the second the generation or "". ``order_page`` is the address of an order in the admin area of a shop, of its
    end point, admin script, generation and the order's number; empty where it is not known."""

    stage: Callable[[str, str], Stage]
    puts_back: Callable[[str, str], bool | None]
    statuses: Mapping[str, Mapping[str, str]]
    ready_statuses: tuple[tuple[str, str], ...]
    ready_choices: Mapping[str, tuple[str, tuple[tuple[str, str], ...]]]
    shipped_status: str
    back_ordered: frozenset[str]
    generations: Mapping[str, str]
    key_advice: Callable[[str, str], str]
    order_page: Callable[[str, str, str, str], str]
