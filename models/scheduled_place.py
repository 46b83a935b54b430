"""Columns that feeds and deliveries of exports share: a place on another server, and when it is visited."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from models.types import Moment


class PlaceColumns:
    """Where a file is on another server, and how to sign in there. ``method`` is ``https`` or ``sftp``, or what else the table knows. ``auth``
    is one of none, basic, bearer, header, query, password and key; ``user`` belongs to basic, password and key, ``parameter`` is the name of
    the header or of the part of the query. The secret is ``secret_encrypted`` (Fernet), of which ``secret_last4`` may be shown. ``host_key`` is
    the host key of an SFTP server that a person has confirmed, empty until then."""

    method: Mapped[str] = mapped_column(String(10))
    path: Mapped[str] = mapped_column(String(500), default="", server_default="")
    auth: Mapped[str] = mapped_column(String(10), default="none", server_default="none")
    user: Mapped[str] = mapped_column(String(200), default="", server_default="")
    parameter: Mapped[str] = mapped_column(String(100), default="", server_default="")
    secret_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    secret_last4: Mapped[str] = mapped_column(String(4), default="", server_default="")
    host_key: Mapped[str] = mapped_column(Text, default="", server_default="")


class TimetableColumns:
    """Due every ``interval_seconds``, or at the ``times`` of day in ``zone`` (services/common/timetable.py), and not between ``quiet_from`` and
    ``quiet_until``. ``due_at`` is None while nothing is planned."""

    interval_seconds: Mapped[int | None] = mapped_column()
    times: Mapped[list[str]] = mapped_column(JSON, default=list)
    zone: Mapped[str] = mapped_column(String(60), default="UTC", server_default="UTC")
    quiet_from: Mapped[str] = mapped_column(String(5), default="", server_default="")
    quiet_until: Mapped[str] = mapped_column(String(5), default="", server_default="")
    due_at: Mapped[datetime | None] = mapped_column(Moment)
