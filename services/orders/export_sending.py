"""One file on its way: by email, over SFTP or by an https PUT. What may go wrong is in the errors that are raised."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO

from channels import mailer, remote_files
from channels.mailer import Attachment, Mail, MailServer
from channels.remote_files import FileLimits, Place
from errors import AppError, NotDelivered
from services.common.channel_limits import channel_limits
from services.notify import notifications, outbox
from services.orders.export_files import FORMATS

MB = 1024 * 1024
MOST_MAIL = 10 * MB
"""Bytes of an attachment. Many mail servers refuse mails of more than 20 MB, and an attachment grows by a third on its way."""
MOST_BYTES = 256 * MB
FILE_SECONDS = 120.0
"""How long one file may take: shorter than the time of a job (jobs/exports.py)."""


class TooLarge(AppError):
    code = "too_large"


@dataclass(frozen=True, slots=True)
class Sendable:
    """A file, and where it goes: to ``recipients`` that do not have it yet, or to a place. ``key`` names its emails."""

    name: str
    title: str
    orders: int
    format: str
    key: str
    size: int
    recipients: Sequence[str] = ()
    place: Place | None = field(default=None, repr=False)


def mail_server() -> MailServer:
    """Raises NotDelivered where none is set up."""
    if not notifications.mail_is_set_up():
        raise NotDelivered("No mail server is set up. Ask the person who runs Cartlink to set one up.")
    return outbox.mail_server()


def send(file: Sendable, content: IO[bytes], reached: Callable[[str], None]) -> None:
    """Send a file. ``reached`` is called with each mailbox that has taken it. Raises AppError: NotDelivered, RemoteFileError or TooLarge."""
    if file.place is not None:
        remote_files.put(file.place, file.name, content, _limits())
        return
    if file.size > MOST_MAIL:
        raise TooLarge(
            f"The file has {file.size / MB:.1f} MB, and mail servers take little more than {MOST_MAIL // MB} MB.",
            "Deliver it over SFTP or https, choose Excel or fewer columns, or send it more often. Then drop this file: its orders are in the next one.",
        )  # fmt: skip
    content.seek(0)
    attachment = Attachment(file.name, FORMATS[file.format].media_type, content.read())
    server = mail_server()
    for address in file.recipients:
        mailer.send(server, _mail(file, address, attachment))
        reached(address)


def _mail(file: Sendable, address: str, attachment: Attachment) -> Mail:
    counted = "1 order" if file.orders == 1 else f"{file.orders:,} orders"
    text = f"{file.title}: {counted} in {file.name}.\n"
    key = f"{file.key}.{hashlib.sha256(address.encode()).hexdigest()[:12]}"
    return Mail(key, address, f"{file.title}: {counted}", text, "", attachments=(attachment,))


def _limits() -> FileLimits:
    limits = channel_limits()
    return FileLimits(
        connect_seconds=limits.connect_timeout, stall_seconds=limits.read_timeout, total_seconds=FILE_SECONDS, max_bytes=MOST_BYTES,
        allow_private=limits.allow_private, user_agent=limits.user_agent,
    )  # fmt: skip
