"""Sums that only grow, for monitors: runs come and are forgotten, their sums stay."""

from __future__ import annotations

from sqlalchemy import Float, String
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model


class Tally(Model):
    """One sum. ``name`` says of what, ``labels`` of which kind, with ``|`` between several; services/operations/metrics.py knows them."""

    __tablename__ = "tally"

    name: Mapped[str] = mapped_column(String(30), primary_key=True)
    labels: Mapped[str] = mapped_column(String(100), primary_key=True)
    value: Mapped[float] = mapped_column(Float, default=0.0)
