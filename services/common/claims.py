"""Claims: the right of one worker to work on one row, under a lease.

A row is claimed by a conditional update, so that of several workers one gets it. The claim is proven by a token and ends with its
lease. A heartbeat extends the lease while the worker lives; once it has expired another worker may claim the row. A worker that ends
returns its claims, so that the next one continues at once. A row whose workers die again and again is given up.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from errors import AppError, LeaseLost
from extensions import db, reading, writing
from models.types import utcnow
from services.common.heartbeat import Heartbeat
from services.common.results import changed_rows

CLOCK = timedelta(minutes=5)
"""How far the clocks of two machines may differ."""
HOLDER = secrets.token_hex(4)
"""The beginning of each token that this process, or a process forked from it, creates. It tells its own claims from others'."""

MOST_LOST = 5
"""Workers in a row that may end in the middle of one row, before it is given up."""


class WorkersLost(AppError):
    code = "workers_lost"


def new_token() -> str:
    """32 characters that cannot be guessed."""
    return HOLDER + secrets.token_hex(12)


def change_if(model: Any, row_id: int, *where: ColumnElement[bool], **values: Any) -> bool:
    """Change a row if it is as ``where`` says. Returns whether it was. Call it inside ``writing()``."""
    query = update(model).where(model.id == row_id, *where).values(**values).execution_options(synchronize_session=False)
    return changed_rows(db.session.execute(query)) == 1


@dataclass(frozen=True)
class Claimable:
    """How the rows of a table are claimed: the columns for token and lease, how long a lease lasts, and the column that counts the workers in a
    row that have died over a row, where one may be too much for any worker."""

    token: InstrumentedAttribute[str]
    lease_until: InstrumentedAttribute[Any]
    seconds: Callable[[], float]
    lost: Any = None

    @property
    def model(self) -> Any:
        return self.token.class_

    def free(self) -> ColumnElement[bool]:
        """Rows without a claim, or whose worker has died. A lease that ends later than any can was taken by a clock that was ahead."""
        now = utcnow()
        latest = now + timedelta(seconds=2 * self.seconds()) + CLOCK
        return or_(self.lease_until.is_(None), self.lease_until < now, self.lease_until > latest)

    def claim(self, row_id: int, *where: ColumnElement[bool], **values: Any) -> Claim | None:
        """Claim a row if it is as ``where`` says, and change it. None if it is not."""
        claim = Claim(self, row_id, new_token())
        if self.lost is not None:
            values[self.lost.key] = case((self.lease_until.is_not(None), self.lost + 1), else_=self.lost)
        with writing():
            claimed = change_if(self.model, row_id, *where, **claim.lease(), **{self.token.key: claim.token}, **values)
        return claim if claimed else None

    def return_own(self, *where: ColumnElement[bool], **values: Any) -> list[int]:
        """End the claims of this process, and of those forked from it, on rows that ``where`` selects. Returns their ids. Call it when
        none of these processes works any more."""
        with writing() as session:
            own = (self.token.startswith(HOLDER), *where)
            ids = list(session.scalars(select(self.model.id).where(*own).order_by(self.model.id).with_for_update()))
            if ids:
                free = {self.token.key: "", self.lease_until.key: None, **values}
                session.execute(
                    update(self.model)
                    .where(self.model.id.in_(ids), *own)
                    .values(free)
                    .execution_options(synchronize_session=False)
                )
        return ids


@dataclass(frozen=True)
class Claim:
    """The right to work on one row."""

    on: Claimable
    row_id: int
    token: str

    def lease(self) -> dict[str, Any]:
        """The value of the lease's column for another term from now on."""
        return {self.on.lease_until.key: utcnow() + timedelta(seconds=self.on.seconds())}

    def hold(self, **values: Any) -> None:
        """Extend the lease, and change the row. Raises LeaseLost. Call it inside ``writing()``."""
        if not change_if(self.on.model, self.row_id, self.on.token == self.token, **{**self.lease(), **values}):
            raise LeaseLost("Another worker has taken this over.")

    def end(self, **values: Any) -> None:
        """Change the row and give up the claim. Raises LeaseLost. Call it inside ``writing()``."""
        counted = {} if self.on.lost is None else {self.on.lost.key: 0}
        self.hold(**{self.on.token.key: "", self.on.lease_until.key: None, **counted, **values})

    def refuse_if_deadly(self, place: str = "") -> None:
        """Raises WorkersLost where the row has cost so many workers that the next one would hardly survive it. The row has to be ended then, or
        what they ended over be left out. ``place`` says where in it the last one ended, as far as is known."""
        column = self.on.lost
        with reading() as session:
            lost = 0 if column is None else session.execute(select(column).where(self.on.model.id == self.row_id)).scalar_one()
        if lost >= MOST_LOST:
            raise WorkersLost(
                f"It was begun {lost} times, and each time the worker ended in the middle of it{place and ', the last time ' + place}.",
                "The file may need more memory than the server has. Use a smaller file, or ask the person who runs Cartlink.",
            )

    def kept_alive(self) -> Heartbeat:
        """A context manager that extends the lease while the work goes on. If the lease is lost, the next ``hold`` says so."""

        def extend() -> None:
            with suppress(LeaseLost), writing():
                self.hold()

        return Heartbeat(self.on.seconds() / 4, extend, f"{self.on.model.__tablename__}-{self.row_id}")
