"""Batches: many rows in one request, each with its own result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from msgspec import Struct

from api.problems import Fault, Problem
from errors import AppError

Row = TypeVar("Row")
Answer = TypeVar("Answer", bound="RowAnswer")
Done = TypeVar("Done")


class RowAnswer(Struct, kw_only=True):
    """``index`` is the row's place in the request. ``code`` and ``detail`` say why it failed."""

    index: int
    status: str
    code: str | None = None
    detail: str | None = None


class Summary(Struct):
    rows: int
    done: int
    failed: int


class Batch(Struct, Generic[Answer]):
    """``results`` has a row for each of the request, in its order."""

    summary: Summary
    results: list[Answer]


@dataclass(frozen=True, slots=True)
class RowRefused:
    code: str
    sentence: str


def do_rows(rows: Iterable[Row], act: Callable[[Row], Done]) -> list[Done | RowRefused]:
    """Do one row after the other; one that cannot be done stops no other. To be called inside a transaction of several acts."""
    results: list[Done | RowRefused] = []
    for row in rows:
        try:
            results.append(act(row))
        except AppError as error:
            if error.status >= 500:
                raise
            results.append(RowRefused(error.code, error.sentence()))
    return results


def summed_up(results: Sequence[Answer], *, atomic: bool) -> Batch[Answer]:
    """The answer of a batch. Raises Problem 422, which undoes all rows, where ``atomic`` and one has failed."""
    failed = [result for result in results if result.status == "failed"]
    if atomic and failed:
        faults = [Fault(result.code or "failed", result.detail or "", f"/rows/{result.index}") for result in failed]
        raise Problem(422, "rows_refused", "Some rows cannot be done, so none was; errors names them.", errors=faults)
    return Batch(Summary(len(results), len(results) - len(failed), len(failed)), list(results))
