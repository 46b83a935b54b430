"""Every exception Cartlink raises on purpose.

    AppError                         a sentence for a person, and an HTTP status for a page
    ├── ConfigError                  the installation is set up wrongly; nothing can start
    ├── InvalidInput                 what was typed cannot be used
    ├── NotFound                     no such integration, order, stock item …
    ├── Conflict                     it clashes with what is there
    │   ├── NameTaken                another integration has this name
    │   └── AlreadyRunning           a run of this kind is under way
    ├── RunStopped                   a run has to end now, in order and without blame
    │   ├── LeaseLost                another worker has taken the run over
    │   ├── SwitchedOff              the integration was disabled or removed
    │   └── StopRequested            a person asked the run to stop
    ├── QueueAway                    Redis or Valkey does not answer
    ├── NotDelivered                 a mail or webhook call did not get through   retry
    │   └── DeliveryRefused          whoever it is for does not take it, and will not
    └── ChannelError                 the shop, or the way to it
        ├── ShopUnreachable          no connection: name, network, refused            retry
        │   └── ShopTimeout          no answer in time                                retry
        ├── TlsTrouble               the shop's certificate cannot be trusted
        ├── AddressRefused           the end point leads where we do not go
        ├── ShopBusy                 429, or 503 with Retry-After                     retry
        ├── ShopMaintenance          the shop is being rebuilt or updated             retry
        ├── ShopBroken               5xx, cut or unreadable answers                   retry
        ├── Firewall                 something before the shop refuses us             retry
        ├── KeyRejected              the API key is wrong
        ├── ReadOnlyKey              the key may read but not write
        ├── AddonMissing             the shop's REST API is not installed or is off
        ├── NotAShop                 the address answers, but not as this kind of shop
        ├── ShopMoved                the shop answers at another address (``to``)
        ├── ShopTooOld               the shop's API lacks what we need
        └── ShopRefused              the shop refused this one request

Each leaf answers two questions: may the same thing be tried again by itself (``retryable``), and what does the
person do about it (``advice``). Messages never hold an API key; ``channels/session.py`` sees to that for answers.
"""

from __future__ import annotations


class AppError(Exception):
    """The root. ``message`` is one sentence for a person, ``advice`` what to do about it (may be empty)."""

    status = 500
    advice = ""
    code = "error"

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


class InvalidInput(AppError):
    """``field`` names the form field or option, where there is one."""

    status = 422
    code = "invalid_input"

    def __init__(self, message: str, advice: str | None = None, field: str = ""):
        super().__init__(message, advice)
        self.field = field


class NotFound(AppError):
    status = 404
    code = "not_found"


class Conflict(AppError):
    status = 409
    code = "conflict"


class NameTaken(Conflict):
    code = "name_taken"


class AlreadyRunning(Conflict):
    """``run_id`` is the run that is under way."""

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


class QueueAway(AppError):
    status = 503
    code = "queue_away"
    advice = "Start the queue, or check REDIS_URL."


class NotDelivered(AppError):
    """``for_all`` says whether nothing else gets through that way either, for the moment."""

    status = 502
    code = "not_delivered"
    for_all = True


class DeliveryRefused(NotDelivered):
    code = "delivery_refused"


class ChannelError(AppError):
    """``status_code`` is the shop's HTTP status where there was an answer."""

    status = 502
    code = "channel"
    retryable = False

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
    advice = "Use the shop's public address, or have the operator list it in ALLOW_PRIVATE_ENDPOINTS."


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
    retryable = True
    advice = "Cartlink tries again; if it lasts, the shop's own error log says why."


class Firewall(ChannelError):
    code = "firewall"
    retryable = True
    advice = "Ask the shop's host to let Cartlink's requests through."


class KeyRejected(ChannelError):
    code = "wrong_key"
    advice = "Copy the value of 'API key (read/write)' from the shop again and reauthorise."


class ReadOnlyKey(ChannelError):
    code = "read_only_key"
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
