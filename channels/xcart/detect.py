"""What people paste → a shop's canonical address; and the check of an address and a key.

The check reads, never follows a redirect, and writes only what changes nothing (a status and an order with the id 0, which no
shop has). It makes at most five requests and takes at most fifteen seconds.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

import idna
import msgspec

from channels.answers import Answer
from channels.base import Check, Credentials, Gate, Limits
from channels.guard import Resolver, is_permitted, is_public, system_resolver
from channels.session import Call, ShopSession
from channels.xcart.addon import ORDERS, SHIPPING_STATUSES, Addon, limit, order_by
from channels.xcart.api import Api, is_header, page_of, target
from channels.xcart.values import rows_of
from errors import (
    AddressRefused,
    ChannelError,
    InvalidInput,
    KeyRejected,
    NotAShop,
    ReadOnlyKey,
    ShopBroken,
    ShopMoved,
    ShopRefused,
    ShopTimeout,
    ShopTooOld,
    ShopUnreachable,
    TlsTrouble,
)

_API_REFUSAL = re.compile(rb"JWT|Invalid credentials")
MOST_REQUESTS = 5
MOST_SECONDS = 15.0
SLOW = 2.0
"""Seconds an answer takes in a shop that is slow, where its silence is nothing worse."""
SKEW_WORTH_TELLING = 120.0

_NOT_A_PLACE = re.compile(r"[\s\u200b\u200c\u200d\u2060\ufeff\"'<>`]+")
_TAILS = re.compile(r"/(?:(?:admin|cart|index)\.php(?:/.*)?|admin(?:/.*)?|api(?:/.*)?|[^/]*\.html?|)$", re.IGNORECASE)
_SCRIPT = re.compile(r"/([\w.-]+\.php)$", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?")


class Site(NamedTuple):
    """A canonical address (no trailing slash) and the name of the shop's admin script."""

    endpoint: str
    admin_script: str


def normalise(pasted: str, allow_private: Sequence[str] = ()) -> Site:
    """The shop's address out of what a person pasted: an address bar, an admin link, a bare name.

    Without a scheme it is https, or http for a private host that the operator permits (``allow_private``). A sub-folder is
    kept, and so is the name of a renamed admin script. Raises InvalidInput with a sentence on what to do."""
    line = _NOT_A_PLACE.sub("", pasted).replace("\\", "/")
    if not line:
        raise InvalidInput("Enter the address of your shop, for example https://shop.example.", field="endpoint")
    scheme, rest = _scheme(line)
    try:
        parts = urlsplit(f"{scheme or 'https'}://{rest}")
        port = parts.port
    except ValueError:
        raise _no_address() from None
    host = _host(parts.hostname or "")
    if not scheme:
        scheme = "http" if _at_home(host, port or 80, allow_private) else "https"
    if port == {"http": 80, "https": 443}[scheme]:
        port = None
    path, script = _folder(re.sub(r"/{2,}", "/", unquote(parts.path)))
    return Site(f"{scheme}://{host}{f':{port}' if port else ''}{quote(path)}", script)


def check(credentials: Credentials, limits: Limits, gate: Gate, resolver: Resolver = system_resolver) -> Check:
    """Say whether an address and a key work, and which generation answers. Raises only what the gate raises."""
    return _Inspection(credentials, limits, gate, resolver).verdict()


Probe = Callable[[ShopSession, Credentials, "_Inspection"], None]


class _Inspection:
    """One check under way, with its budget of requests and seconds."""

    def __init__(self, credentials: Credentials, limits: Limits, gate: Gate, resolver: Resolver):
        self.credentials = credentials
        self.gate = gate
        self.resolver = resolver
        self.until = time.monotonic() + MOST_SECONDS
        self.spent = 0
        self.skew: float | None = None
        self.lightly = False
        """Whether the first read is enough: to find where a shop is, not how well the key does there."""
        self.shows_pages: ChannelError | None = None
        self.recognised = False
        """Whether the generation asked has answered as only it does: what goes wrong after that is the verdict."""
        self.pace = 0.0
        """Seconds the shop took for the answer by which it was recognised."""
        self.unfinished = False
        """Whether a shop was too slow for the check to have all its answers."""
        self.limits = replace(limits, tries=1, connections=2, connect_timeout=min(5.0, limits.connect_timeout))

    def verdict(self) -> Check:
        try:
            site = self.credentials
            trouble = self._asked(site)
            if isinstance(trouble, NotAShop) and (root := _root(site.endpoint)):
                self.lightly = True
                at_root = self._asked(replace(site, endpoint=root))
                if at_root is None or isinstance(at_root, KeyRejected):
                    trouble = ShopMoved(f"The shop answers at {root}.", f"Use {root} as the website end point.", None, root)
            if trouble is None:
                return self._good()
        except ChannelError as exc:
            trouble = exc
        return self._bad(trouble)

    def _asked(self, site: Credentials) -> ChannelError | None:
        """None where address and key are good, else the leaf that says most."""
        found: list[ChannelError] = []
        paged = False
        for generation, probe in self._probes():
            self.recognised = False
            try:
                self._with_session(site, probe)
            except (TlsTrouble, AddressRefused, ShopUnreachable, ReadOnlyKey, KeyRejected) as exc:
                self.credentials = replace(self.credentials, generation=generation)
                return exc
            except ChannelError as exc:
                if self.recognised:
                    self.credentials = replace(self.credentials, generation=generation)
                    return exc
                if isinstance(exc, ShopBroken) and exc.status_code == 200:
                    paged = True
                else:
                    found.append(exc)
            else:
                self.credentials = replace(self.credentials, generation=generation)
                return None
        if paged:
            # What answers 200 with something else than data is no shop, or another program's page in a shop's place. To tell
            # takes a request, so it is asked where no generation was found.
            found.append(self._page_instead(site))
        return min(found, key=_weight)

    def _page_instead(self, site: Credentials) -> ChannelError:
        """The leaf for an address that answers with pages only: a shop shows itself by where it sends a person to sign in
        (X-Cart 5.4, observed: 302 to ``target=login``)."""
        if self.lightly:
            return _no_shop(site)
        if self.shows_pages is not None:
            return self.shows_pages
        self.shows_pages = self._page_of(site)
        return self.shows_pages

    def _page_of(self, site: Credentials) -> ChannelError:
        asking = self._session(site)
        try:
            answer = asking.read(f"/{site.admin_script}", insist=False, within=self.within)
        except ChannelError:
            return _no_shop(site)
        finally:
            asking.close()
        if answer.status in (301, 302, 303) and "target=login" in answer.headers.get("location", ""):
            return ShopBroken(
                f"{urlsplit(site.endpoint).netloc} is an X-Cart shop, but its API answers with a web page where data was expected.",
                "A firewall or a maintenance page may answer in the shop's place: try again later, or ask the shop's host.",
            )
        return _no_shop(site)

    def _probes(self) -> list[tuple[str, Probe]]:
        """The generation that is known comes first; a renamed admin script speaks for the add-on."""
        likely = self.credentials.generation or ("addon" if self.credentials.admin_script != "admin.php" else "api")
        probes = [entry for entry in PROBES.items() if entry[0] != "api" or is_header(self.credentials.api_key)]
        return sorted(probes, key=lambda entry: entry[0] != likely)

    def _with_session(self, site: Credentials, probe: Probe) -> None:
        session = self._session(site)
        try:
            probe(session, site, self)
        finally:
            if session.clock_offset is not None:
                self.skew = round(session.clock_offset.total_seconds(), 1)
            session.close()

    def _session(self, site: Credentials) -> ShopSession:
        return ShopSession(
            site.endpoint, limits=self.limits, gate=self._counted, gate_again=self.gate, secrets=[site.api_key],
            resolver=self.resolver,
        )  # fmt: skip

    def _counted(self) -> None:
        if self.spent >= MOST_REQUESTS:
            raise ShopBroken("The shop gives no clear answer.")
        self.gate()
        self.spent += 1

    def recognise(self, begun: float) -> None:
        """Note that the shop has answered, to a request sent at ``begun``, as only one of this generation does."""
        self.recognised = True
        self.pace = time.monotonic() - begun

    def ask(self, session: ShopSession, calls: Sequence[Call]) -> list[Answer | None]:
        """The answers to what is asked once the shop is recognised, two at a time; None for what a slow shop did not answer
        before the time of the check was over, and for a read that broke. Raises the first ChannelError of any other kind."""
        outcomes: list[Answer | None] = []
        answers = session.many(calls, within=max(0.0, self.until - time.monotonic()))
        for call, outcome in zip(calls, answers, strict=True):
            if isinstance(outcome, ShopTimeout) and self.pace >= SLOW:
                self.unfinished = True
                outcomes.append(None)
            elif isinstance(outcome, ShopBroken) and call.method == "GET":
                outcomes.append(None)
            elif isinstance(outcome, ChannelError):
                raise outcome
            else:
                outcomes.append(outcome)
        return outcomes

    @property
    def within(self) -> float:
        left = self.until - time.monotonic()
        if left <= 0.05:
            raise ShopTimeout("The shop did not answer all questions of the check in time.")
        return min(left, 8.0)

    def _good(self) -> Check:
        found = self.credentials
        name = GENERATIONS[found.generation]
        advice, moved_to = [], ""
        if self.skew is not None and abs(self.skew) > SKEW_WORTH_TELLING:
            way = "ahead" if self.skew > 0 else "behind"
            advice.append(f"The shop's clock is {abs(self.skew) / 60:.0f} minutes {way}: have it set right.")
        if found.endpoint.startswith("http:"):
            advice.append("Plain http sends the API key in the clear.")
            moved_to = self._secure_address()
            if moved_to:
                advice.append(f"The shop answers at {moved_to} as well: use that.")
        sentence = f"{name} answers, and the API key may read and write."
        if self.unfinished:
            sentence = f"{name} answers and accepts the API key, but too slowly for the whole check."
            advice.append(
                f"An answer takes {self.pace:.0f} seconds, so syncing will be slow: ask the shop's host why. What could not be "
                "asked, such as whether the key may write, shows with the first sync."
            )
        return Check(
            "good",
            sentence,
            " ".join(advice),
            found.endpoint,
            found.generation,
            found.admin_script,
            moved_to,
            self.spent,
            self.skew,
        )

    def _bad(self, trouble: ChannelError) -> Check:
        return Check(
            NotAShop.code if isinstance(trouble, ShopRefused) else trouble.code,
            trouble.message,
            trouble.advice,
            self.credentials.endpoint,
            self.credentials.generation,
            self.credentials.admin_script,
            trouble.to if isinstance(trouble, ShopMoved) else "",
            self.spent,
            self.skew,
        )

    def _secure_address(self) -> str:
        """The https address, where the same shop answers at it. Asked without the key."""
        parts = urlsplit(self.credentials.endpoint)
        if self.spent >= MOST_REQUESTS or parts.port is not None:
            return ""
        there = replace(self.credentials, endpoint=f"https://{parts.netloc}{parts.path}", api_key="")
        try:
            self._with_session(there, PROBES[there.generation])
        except KeyRejected:
            return there.endpoint
        except ChannelError:
            return ""
        return ""


def _probe_api(session: ShopSession, site: Credentials, inspection: _Inspection) -> None:
    """Return where the API of 5.5 answers and the key may read and write; else raise the leaf that says why not."""
    shop = Api(session, site)
    path = "/orders"
    begun = time.monotonic()
    answer = session.read(target(path, page_of(1, 1)), headers=shop.headers, insist=False, within=inspection.within)
    if answer.status == 401 and answer.is_json and not _API_REFUSAL.search(answer.body):
        raise _no_shop(site)
    if answer.status == 404 and answer.is_json and b"An error occurred" not in answer.body:
        raise _no_shop(site)
    # A 500 in the API's own form says that the key is good and the first order at fault.
    if answer.status != 500 or not answer.is_json:
        rows = rows_of(shop.judged(answer, path).body, shop.host)
        if not all(_has(row, "id", "order_number") for row in rows):
            raise _no_shop(site)
    inspection.recognise(begun)
    if inspection.lightly:
        return
    path = "/orders/0/shipping_status"
    [written] = inspection.ask(session, [Call("PUT", target(path), shop.headers, {"code": "S"})])
    if written is not None and (written.status not in (400, 404) or not written.is_json):
        shop.judged(written, path, writing=True)


def _probe_addon(session: ShopSession, site: Credentials, inspection: _Inspection) -> None:
    """Return where the add-on answers and the key may read and write; else raise the leaf that says why not."""
    shop = Addon(session, site)
    begun = time.monotonic()
    answer = shop.read(SHIPPING_STATUSES, within=inspection.within)
    if not all(_has(row, "id", "code", "position") for row in rows_of(answer.body, shop.host)):
        raise _no_shop(site)
    inspection.recognise(begun)
    if inspection.lightly:
        return
    nothing = shop.target(f"{SHIPPING_STATUSES}/0")
    orders = shop.target(ORDERS, [*order_by("o.order_id"), *limit(0, 1)], "complex")
    paged, written, empty = inspection.ask(
        session, [Call("GET", orders), Call("PUT", nothing, {}, {"x": 1}), Call("PUT", nothing, {}, {})]
    )
    if paged is not None:
        _judge_paging(shop, paged)
    if written is not None:
        if written.status == 403 and not written.body.strip():
            raise ReadOnlyKey("The API key may read but not write.", None, 403)
        shop.judged(written)
    # An add-on that reads JSON refuses an empty object, and before it looks at anything else; an old one reads no JSON.
    if empty is not None and empty.status == 200:
        raise ShopTooOld(f"The REST API of {shop.host} does not read what Cartlink writes: it is too old.")


def _judge_paging(shop: Addon, answer: Answer) -> None:
    """Make sure that this add-on has the complex schema and gives as many rows as it is asked for. One order at fault makes
    such an answer fail or unreadable; that says nothing about the shop."""
    try:
        rows = rows_of(shop.judged(answer).body, shop.host)
    except ShopBroken:
        return
    if len(rows) > 1:
        raise ShopTooOld(f"The REST API of {shop.host} gives all orders at once: it is too old.")


PROBES: dict[str, Probe] = {"api": _probe_api, "addon": _probe_addon}
GENERATIONS = {"addon": "X-Cart 5.0–5.4 with the REST API add-on", "api": "X-Cart 5.5 or later"}

_WEIGHTS = ("addon_missing", "moved", "maintenance", "busy", "too_old", "firewall", "broken", "refused", "not_xcart")


def _weight(exc: ChannelError) -> int:
    """How much a verdict says: of two probes' verdicts the one with the smaller number is told."""
    return _WEIGHTS.index(exc.code) if exc.code in _WEIGHTS else -1


def _has(row: msgspec.Raw, *names: str) -> bool:
    try:
        value = msgspec.json.decode(row)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return isinstance(value, dict) and all(name in value for name in names)


def _no_shop(site: Credentials) -> NotAShop:
    return NotAShop(f"{urlsplit(site.endpoint).netloc} answers, but not as an X-Cart shop does.")


def _root(endpoint: str) -> str:
    """The address without its folder; empty where there is none."""
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc}" if parts.path.strip("/") else ""


def _scheme(line: str) -> tuple[str, str]:
    """The scheme, empty where none was typed, and the rest without its slashes."""
    found = re.match(r"(?:([a-z][a-z0-9+.-]*):)?/{1,3}", line, re.IGNORECASE)
    if found is None:
        if re.match(r"(mailto|javascript|data|file|tel):", line, re.IGNORECASE):
            raise _no_address()
        return "", line
    scheme = (found.group(1) or "").lower()
    if scheme not in ("", "http", "https"):
        raise InvalidInput("The website end point has to begin with https:// or http://.", field="endpoint")
    return scheme, line[found.end() :]


def _host(name: str) -> str:
    """A host as it goes over the wire: lower case, other scripts as IDNA, IPv6 in brackets."""
    if ":" in name:
        return f"[{name}]"
    plain = name.rstrip(".").lower()
    if not plain.isascii():
        try:
            plain = idna.encode(plain, uts46=True).decode()
        except idna.IDNAError:
            raise _no_address() from None
    if not _HOST.fullmatch(plain) or ".." in plain:
        raise _no_address()
    return plain


def _at_home(host: str, port: int, allow_private: Sequence[str]) -> bool:
    """Whether a host is one of the operator's own, where plain http is usual."""
    listed = [entry for entry in allow_private if entry.strip().lower() != "all"]
    if is_permitted(host, port, listed):
        return True
    literal = host.strip("[]")
    home = host == "localhost" or (re.fullmatch(r"[\d.]+|.*:.*", literal) is not None and not is_public(literal))
    return home and is_permitted(host, port, allow_private)


def _folder(path: str) -> tuple[str, str]:
    """The shop's folder, empty for the root, and its admin script."""
    script = "admin.php"
    if (found := _SCRIPT.search(path)) and found.group(1).lower() not in ("cart.php", "index.php", "admin.php"):
        script = found.group(1)
        path = path[: found.start()]
    while found := _TAILS.search(path):
        path = path[: found.start()]
    return path, script


def _no_address() -> InvalidInput:
    return InvalidInput("That is no web address. Enter the shop's address, for example https://shop.example.", field="endpoint")
