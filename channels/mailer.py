"""Mail, handed to one SMTP server: a single message to a single mailbox. No Flask, no SQL.

Whatever goes wrong becomes NotDelivered (try again) or DeliveryRefused (this mailbox will not take it). Their messages hold what
the server said, shortened and without control characters, and never the password.
"""

from __future__ import annotations

import base64
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, parseaddr

from errors import DeliveryRefused, NotDelivered

SECURITY = ("STARTTLS", "TLS", "NONE")


@dataclass(frozen=True, slots=True)
class MailServer:
    """``security`` is one of SECURITY; ``sender`` is a mailbox, with a name or without (``Cartlink <cartlink@shop.example>``).
    ``timeout`` is in seconds, for each answer of the server."""

    host: str
    port: int
    security: str
    sender: str
    user: str = ""
    password: str = field(default="", repr=False)
    timeout: float = 15.0


@dataclass(frozen=True, slots=True)
class Attachment:
    """``media_type`` is such as ``text/csv``."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mail:
    """``key`` names the mail and stays the same with every try, so that a mailbox recognises a mail that comes twice; mails of one
    ``thread`` are shown together. An empty ``html`` is left out."""

    key: str
    to: str
    subject: str
    text: str
    html: str
    thread: str = ""
    attachments: Sequence[Attachment] = ()


def compose(server: MailServer, mail: Mail) -> EmailMessage:
    """The message as it goes out. Nothing in it can end a header or begin another one."""
    name, address = parseaddr(server.sender)
    domain = address.rpartition("@")[2] or "localhost"
    message = EmailMessage(policy=SMTP)
    message["From"] = formataddr((_line(name), address))
    message["To"] = mail.to
    message["Subject"] = _line(mail.subject)[:200]
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = f"<{mail.key}@{domain}>"
    if mail.thread:
        message["References"] = f"<{mail.thread}@{domain}>"
    # So that no out-of-office reply comes back.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    if mail.html:
        message.add_alternative(mail.html, subtype="html")
    for each in mail.attachments:
        kind, _, subtype = each.media_type.partition("/")
        message.add_attachment(each.content, maintype=kind, subtype=subtype, filename=_line(each.name))
    return message


def send(server: MailServer, mail: Mail) -> None:
    """Hand a mail to the server. Raises NotDelivered or DeliveryRefused."""
    message = compose(server, mail)
    try:
        with _connect(server) as connection:
            if server.user:
                _sign_in(connection, server)
            connection.send_message(message, to_addrs=[mail.to])
    except smtplib.SMTPRecipientsRefused as refused:
        code, said = next(iter(refused.recipients.values()))
        raise _refusal(code, said, f"{server.host} does not take mail for this address") from None
    except smtplib.SMTPNotSupportedError:
        raise NotDelivered(
            f"{server.host} cannot do what is asked of it: STARTTLS, a sign-in, or an address that is not ASCII."
        ) from None
    except smtplib.SMTPAuthenticationError:
        raise NotDelivered(f"{server.host} does not accept Cartlink’s user name and password.") from None
    except smtplib.SMTPResponseException as answer:
        raise NotDelivered(f"{server.host} did not take the mail: {answer.smtp_code} {_said(answer.smtp_error)}") from None
    except ssl.SSLError as trouble:
        raise NotDelivered(f"The encryption with {server.host} failed: {_line(trouble.reason or 'handshake')}.") from None
    except (smtplib.SMTPException, OSError, ValueError) as trouble:
        why = trouble.strerror if isinstance(trouble, OSError) and trouble.strerror else type(trouble).__name__
        raise NotDelivered(f"{server.host} cannot be reached on port {server.port}: {_line(why)}.") from None


def greet(server: MailServer) -> None:
    """Connect and sign in as for a mail, and send none. Raises NotDelivered."""
    try:
        with _connect(server) as connection:
            if server.user:
                _sign_in(connection, server)
            connection.noop()
    except smtplib.SMTPAuthenticationError:
        raise NotDelivered(f"{server.host} does not accept Cartlink’s user name and password.") from None
    except (smtplib.SMTPException, OSError, ValueError) as trouble:
        why = trouble.strerror if isinstance(trouble, OSError) and trouble.strerror else type(trouble).__name__
        raise NotDelivered(f"{server.host} does not greet us on port {server.port}: {_line(why)}.") from None


def _connect(server: MailServer) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if server.security == "TLS":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=server.timeout, context=context)
    connection = smtplib.SMTP(server.host, server.port, timeout=server.timeout)
    if server.security == "STARTTLS":
        try:
            connection.starttls(context=context)
        except BaseException:
            connection.close()
            raise
    return connection


def _sign_in(connection: smtplib.SMTP, server: MailServer) -> None:
    """The library signs in with ASCII only; AUTH PLAIN is UTF-8 (RFC 4616)."""
    if (server.user + server.password).isascii():
        connection.login(server.user, server.password)
        return
    connection.ehlo_or_helo_if_needed()
    said = base64.b64encode(f"\0{server.user}\0{server.password}".encode()).decode()
    code, answer = connection.docmd("AUTH", f"PLAIN {said}")
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, answer)


def _refusal(code: int, said: bytes | str, sentence: str) -> NotDelivered:
    """A 5xx is meant for good; a 4xx (a full mailbox, greylisting) passes."""
    kind = DeliveryRefused if 500 <= code < 600 else NotDelivered
    refusal = kind(f"{sentence}: {code} {_said(said)}")
    refusal.for_all = False
    return refusal


def _said(said: bytes | str | Sequence[int]) -> str:
    text = bytes(said).decode("utf-8", "replace") if not isinstance(said, str) else said
    return _line(text)[:200]


def _line(text: str) -> str:
    """One line that holds nothing but what can be shown."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
