"""Every exception Cartlink raises on purpose.

    AppError                         a sentence for a person, and an HTTP status for a page
    ├── ConfigError                  the installation is set up wrongly; nothing can start
    ├── InvalidInput                 invalid input
    ├── NotFound                     no such integration, order, stock item …
    ├── Gone                         it was there, and is no longer kept
    ├── Conflict                     not possible in the present state
    │   ├── NameTaken                another integration has this name
    │   └── AlreadyRunning           a run of this kind is running
    ├── RunStopped                   a run has to end now, and that is no failure
    │   ├── LeaseLost                another worker has taken the run over
    │   ├── SwitchedOff              the integration was disabled or removed
    │   └── StopRequested            a person asked the run to stop
    ├── TooMany                      one user sends too many requests
    ├── QueueAway                    Redis or Valkey does not answer
    ├── NotDelivered                 an email failed              retry
    │   └── DeliveryRefused          the receiver refuses it for good
    ├── RemoteFileError              a file on another server: channels/remote_files/failures.py
    └── ChannelError                 the shop, or the way to it
        ├── ShopUnreachable          no connection: name, network, refused            retry
        │   └── ShopTimeout          no answer in time                                retry
        ├── TlsTrouble               the shop's certificate cannot be trusted
        ├── AddressRefused           the end point leads to a forbidden address
        ├── ShopBusy                 408, 421, 425, 429, 508, or 503 with Retry-After  retry
        ├── ShopMaintenance          the shop is being rebuilt or updated             retry
        ├── ShopBroken               5xx, cut or unreadable answers                   retry
        │   └── PhpMessages          PHP messages where data was expected             retry
        ├── ShopDatabase             the shop's database failed                       retry
        ├── Firewall                 a firewall in front of the shop refuses us       retry
        ├── HostingSuspended         the shop's host has suspended the account        retry
        ├── StagingPassword          a password protects the whole site               retry
        ├── MethodBlocked            reads work, but the host blocks writes           retry
        ├── BodyChanged              our request was changed on its way               retry
        ├── KeyRejected              the API key is wrong
        ├── ReadOnlyKey              the key may read but not write
        ├── AddonMissing             the shop's REST API is not installed or is off
        ├── NotAShop                 the address answers, but not as this kind of shop
        ├── ShopMoved                the shop answers at another address (``to``)
        ├── ShopTooOld               the shop's API lacks what we need
        └── ShopRefused              the shop refused this one request
            ├── RowRefused           the shop's own program refused what was written
            ├── NotTaken             the shop answered without an error and shows no change  retry
            ├── ItemGone             the shop does not have this item any more
            └── OrderCalledOff       the shop shows the order as cancelled, declined or refunded: nothing was sent

Each leaf answers three questions: may the same thing be tried again without a person (``retryable``), does it concern one row
or the whole shop (``concerns``), and what does the user do about it (``advice``). Messages never contain an API key; ``channels/session.py`` removes it from answers.
"""

from __future__ import annotations

from typing import Literal

OWN_CODES = ("lost", "workers_lost", "config", "internal")
"""Codes of what is Cartlink's own trouble and not the shop's: the worker was killed, several in a row were, the installation is set up
wrongly, a mistake in Cartlink."""


class AppError(Exception):
    """The base class. ``message`` is one sentence for the user, ``advice`` what to do about it (may be empty)."""

    status = 500
    advice = ""
    code = "error"
    field = ""

    def __init__(self, message: str, advice: str | None = None):
        super().__init__(message)
        self.message = message
        if advice is not None:
            self.advice = advice

    def sentence(self) -> str:
        """The message with its advice, for one line on a terminal or in a run's row."""
        return f"{self.message} {self.advice}".strip()


class ConfigError(AppError):
    code = "config"


class Unexpected(AppError):
    """What is said of a mistake in Cartlink."""

    code = "internal"

    def __init__(self) -> None:
        super().__init__(
            "Something went wrong inside Cartlink. It has been logged.",
            "Try again; if it lasts, ask the person who runs Cartlink.",
        )


class InvalidInput(AppError):
    """``field`` names the form field or option, if there is one."""

    status = 422
    code = "invalid_input"

    def __init__(self, message: str, advice: str | None = None, field: str = ""):
        super().__init__(message, advice)
        self.field = field


class NotFound(AppError):
    status = 404
    code = "not_found"


class IntegrationRemoved(NotFound):
    """An integration that is removed; its page shows what is kept of it."""

    def __init__(self, integration_id: int):
        super().__init__("That integration has been removed.", "Go back to the list of integrations.")
        self.integration_id = integration_id


class Gone(AppError):
    status = 410
    code = "gone"


class Conflict(AppError):
    status = 409
    code = "conflict"


class NameTaken(Conflict):
    code = "name_taken"


class AlreadyRunning(Conflict):
    """``run_id`` is the run that is running."""

    code = "already_running"

    def __init__(self, message: str, run_id: int):
        super().__init__(message)
        self.run_id = run_id


class RunStopped(AppError):
    code = "stopped"


class LeaseLost(RunStopped):
    code = "lease_lost"


class SwitchedOff(RunStopped):
    code = "switched_off"


class StopRequested(RunStopped):
    code = "stop_requested"


class TooMany(AppError):
    """One user sends too many requests. ``retry_after`` is in seconds."""

    status = 429
    code = "too_many"

    def __init__(self, message: str, advice: str | None = None, retry_after: int = 60):
        super().__init__(message, advice)
        self.retry_after = retry_after


class QueueAway(AppError):
    status = 503
    code = "queue_away"
    advice = "Try again in a minute. If it lasts, ask the person who runs Cartlink to start the queue."


class NotDelivered(AppError):
    """``for_all``: nothing else can be delivered this way at the moment."""

    status = 502
    code = "not_delivered"
    for_all = True


class DeliveryRefused(NotDelivered):
    code = "delivery_refused"


class ChannelError(AppError):
    """``status_code`` is the shop's HTTP status if there was an answer. ``writing`` is true if reads work and only what was
    sent was not stored.

    ``concerns`` says what a caller with many rows does: after ``shop`` the next row would fail too, so it stops; after ``row`` it
    goes on; ``unknown`` may be either, as an error 500 for one order or for all. ``about_key``: a person has to give another
    key."""

    status = 502
    code = "channel"
    retryable = False
    writing = False
    concerns: Literal["row", "shop", "unknown"] = "shop"
    about_key = False

    def __init__(self, message: str, advice: str | None = None, status_code: int | None = None):
        super().__init__(message, advice)
        self.status_code = status_code


class ShopUnreachable(ChannelError):
    code = "unreachable"
    retryable = True
    advice = "Check the website end point, or wait: Cartlink keeps trying."


class ShopTimeout(ShopUnreachable):
    code = "timeout"
    advice = "The shop is slow or overloaded; Cartlink keeps trying."


class TlsTrouble(ChannelError):
    code = "tls"
    advice = "Ask the shop's host to renew or repair its certificate."


class AddressRefused(ChannelError):
    code = "address_refused"
    advice = "Use the shop's public address. If it is in your own network, ask the person who runs Cartlink to allow its private address."


class ShopBusy(ChannelError):
    """``retry_after`` is the number of seconds the shop asks us to wait, or None."""

    code = "busy"
    retryable = True
    advice = "Cartlink waits and tries again."

    def __init__(self, message: str, advice: str | None = None, status_code: int | None = None, retry_after: float | None = None):
        super().__init__(message, advice, status_code)
        self.retry_after = retry_after


class ShopMaintenance(ChannelError):
    code = "maintenance"
    retryable = True
    advice = "Cartlink tries again when the shop is back."


class ShopBroken(ChannelError):
    code = "broken"
    concerns: Literal["row", "shop", "unknown"] = "unknown"
    retryable = True
    advice = "Cartlink tries again; if it lasts, the shop's own error log says why."


class PhpMessages(ShopBroken):
    """The shop's PHP prints its own messages into answers, which makes them unreadable."""

    code = "php_messages"
    advice = "Ask the shop's host to switch off display_errors in PHP and to look at the messages."


class ShopDatabase(ChannelError):
    code = "database"
    retryable = True
    advice = "Cartlink tries again; if it lasts, ask the shop's host about the database."


class Firewall(ChannelError):
    code = "firewall"
    retryable = True
    advice = "Ask the shop's host to let Cartlink's requests through."


class HostingSuspended(ChannelError):
    code = "suspended"
    retryable = True
    advice = "Ask the shop's host why the account is suspended. Cartlink continues automatically when the shop is back."


class StagingPassword(ChannelError):
    code = "staging_password"
    retryable = True
    advice = "Ask the shop's host to remove the password, or to exempt Cartlink's requests from it."


class MethodBlocked(ChannelError):
    code = "method_blocked"
    retryable = True
    advice = "Ask the shop's host to allow the HTTP method PUT for the shop's API."


class BodyChanged(ChannelError):
    """The shop cannot read our request, although it was well formed."""

    code = "body_changed"
    retryable = True
    advice = "Ask the shop's host whether a firewall or a proxy changes or removes the body of PUT requests."


class KeyRejected(ChannelError):
    code = "wrong_key"
    about_key = True
    advice = "Copy the value of 'API key (read/write)' from the shop again and reauthorise."


class ReadOnlyKey(ChannelError):
    code = "read_only_key"
    about_key = True
    advice = "Copy the value of 'API key (read/write)' from the shop, not the read-only one."


class AddonMissing(ChannelError):
    code = "addon_missing"
    advice = "Install or enable the REST API add-on in the shop under My addons."


class NotAShop(ChannelError):
    code = "not_xcart"
    advice = "Check the website end point: it should be the address of the shop itself."


class ShopMoved(ChannelError):
    """``to`` is the end point the shop points to, rebuilt by us; it has not been followed."""

    code = "moved"

    def __init__(self, message: str, advice: str | None = None, status_code: int | None = None, to: str = ""):
        super().__init__(message, advice, status_code)
        self.to = to


class ShopTooOld(ChannelError):
    code = "too_old"
    advice = "Cartlink needs the REST API add-on of X-Cart 5.3.2.11 or later."


class ShopRefused(ChannelError):
    code = "refused"
    concerns = "row"


class RowRefused(ShopRefused):
    """The shop's own program has refused what was written."""


class NotTaken(ShopRefused):
    """The shop answered a write without an error and does not show the change: it may have lost its method or body on the way."""

    code = "not_taken"
    retryable = True
    advice = "Cartlink tries again a few times; if it lasts, look at the order in the shop."


class ItemGone(ShopRefused):
    """The shop's own program says that it does not have the item."""

    code = "gone"


class OrderCalledOff(ShopRefused):
    """The shop shows an order as cancelled, declined, refunded or as another order: nothing was sent, a person has to decide."""

    code = "called_off"
    advice = "Decide on the order's page: mark it as handled, or change its payment status in the shop and try again."
