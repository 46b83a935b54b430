"""The check of an address and a key.

The check reads, never follows a redirect, and writes only what changes nothing (a status and an order with the id 0, which no
shop has). It makes at most eight requests and takes at most two and a half minutes, for a shop whose every answer takes many
seconds can be connected too. What an answer means is decided in ``channels/xcart/verdicts.py``.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from channels.answers import Answer
from channels.base import PLAIN_HTTP, Check, Credentials, Gate, Limits
from channels.guard import Resolver, system_resolver
from channels.session import ShopSession
from channels.xcart.api.client import Api, is_header
from channels.xcart.detect.budget import Budget
from channels.xcart.detect.probes import GENERATIONS, Found, no_shop, probe, writes_go_elsewhere
from errors import (
    AddonMissing,
    AddressRefused,
    ChannelError,
    KeyRejected,
    NotAShop,
    ReadOnlyKey,
    ShopBroken,
    ShopMoved,
    ShopRefused,
    ShopUnreachable,
    TlsTrouble,
)

CLOCK_SKEW_WORTH_A_NOTE = 120.0
"""Seconds."""


def check(credentials: Credentials, limits: Limits, gate: Gate, resolver: Resolver = system_resolver) -> Check:
    """Say whether an address and a key work, and which generation answers. Raises only what the gate raises."""
    return _Inspection(credentials, Budget(limits, gate, resolver)).result()


@dataclass(frozen=True, slots=True)
class _Inspection:
    credentials: Credentials
    budget: Budget

    def result(self) -> Check:
        site = self.credentials
        found = self._probed(site)
        try:
            trouble = found.trouble
            if isinstance(trouble, ShopMoved) and trouble.to:
                trouble = self._verified(trouble)
            if found.recognised and isinstance(trouble, NotAShop):
                trouble = writes_go_elsewhere(site)
            if isinstance(trouble, NotAShop) and (root := _root(site.endpoint)):
                at_root = self._probed(replace(site, endpoint=root), lightly=True)
                if at_root.trouble is None or isinstance(at_root.trouble, KeyRejected):
                    trouble = ShopMoved(f"The shop answers at {root}.", f"Use {root} as the website end point.", None, root)
                    found = replace(found, generation=at_root.generation)
            if trouble is None:
                return self._good(found)
        except ChannelError as exc:
            trouble = exc
        return self._bad(found, trouble)

    def _verified(self, moved: ShopMoved) -> ChannelError:
        """The same leaf with the new address offered if a shop answers there, else the error that says that none does."""
        here = urlsplit(self.credentials.endpoint).netloc
        if self._is_shop_at(moved.to):
            return ShopMoved(
                f"The shop answers at {moved.to}.", f"Use {moved.to} as the website end point.", moved.status_code, moved.to
            )
        return NotAShop(f"{here} redirects to {moved.to}, and Cartlink finds no X-Cart shop there.", None, moved.status_code)

    def _is_shop_at(self, endpoint: str) -> bool:
        """Whether an X-Cart shop shows itself at an address. Asked without the key, because somebody else may answer there: the
        API of 5.5 misses its token, and the admin script sends a person to sign in (both observed)."""
        there = replace(self.credentials, endpoint=endpoint, api_key="")
        for generation in self._generations():
            try:
                with closing(self.budget.session(there)) as asking:
                    if generation == "addon":
                        if _leads_to_sign_in(self._sign_in(asking, there)):
                            return True
                        continue
                    Api(asking, there).checked(asking.read("/api/orders", insist=False, within=self.budget.within), "/orders")
            except (KeyRejected, AddressRefused) as exc:
                return isinstance(exc, KeyRejected)
            except ChannelError:
                continue
        return False

    def _probed(self, site: Credentials, *, lightly: bool = False) -> Found:
        """What the probes found, without trouble if address and key are good, else with the error that says most. The generation is
        the one that was found, or else the one in the credentials."""
        found: list[Found] = []
        for generation in self._generations():
            result = probe(generation, site, self.budget, lightly=lightly)
            if result.recognised or result.trouble is None or isinstance(result.trouble, _FINAL):
                return result
            found.append(result)
        troubles = [each.trouble for each in found if each.trouble is not None and not _is_page(each.trouble)]
        if any(trouble.retryable for trouble in troubles):
            # The API of 5.5 may be there and fail for a moment, whose admin script sends to the sign-in as one without add-on does.
            troubles = [trouble for trouble in troubles if not isinstance(trouble, AddonMissing)]
        if len(troubles) < len(found):
            # What answers 200 with something else than data is no shop, or another program's page in a shop's place. To find out
            # takes a request, so it is only sent if no generation was found.
            troubles.append(no_shop(site) if lightly else self._page_instead(site))
        return replace(found[-1], generation=self.credentials.generation, trouble=min(troubles, key=_weight))

    def _page_instead(self, site: Credentials) -> ChannelError:
        """The error for an address that answers with pages only: a shop shows itself by where it sends a person to sign in
        (X-Cart 5.4, observed: 302 to ``target=login``)."""
        try:
            with closing(self.budget.session(site)) as asking:
                answer = self._sign_in(asking, site)
        except ChannelError:
            return no_shop(site)
        if _leads_to_sign_in(answer):
            return ShopBroken(
                f"{urlsplit(site.endpoint).netloc} is an X-Cart shop, but its API answers with a web page where data was expected.",
                "A firewall or a maintenance page may answer in the shop's place: try again later, or ask the shop's host.",
            )
        return no_shop(site)

    def _sign_in(self, session: ShopSession, site: Credentials) -> Answer:
        return session.read(f"/{site.admin_script}", insist=False, within=self.budget.within)

    def _generations(self) -> list[str]:
        """The generation that is known comes first; a renamed admin script speaks for the add-on."""
        likely = self.credentials.generation or ("addon" if self.credentials.admin_script != "admin.php" else "api")
        able = ["api", "addon"] if is_header(self.credentials.api_key) else ["addon"]
        return sorted(able, key=lambda generation: generation != likely)

    def _good(self, found: Found) -> Check:
        name, advice, moved_to = GENERATIONS[found.generation], [], ""
        if found.clock_skew is not None and abs(found.clock_skew) > CLOCK_SKEW_WORTH_A_NOTE:
            way = "ahead" if found.clock_skew > 0 else "behind"
            advice.append(f"The shop's clock is {abs(found.clock_skew) / 60:.0f} minutes {way}: have it set right.")
        if self.credentials.endpoint.startswith("http:"):
            moved_to = self._secure_address()
            advice.append(
                f"http sends the API key unencrypted. Use {moved_to}, where the shop answers too." if moved_to else PLAIN_HTTP
            )
        if found.noise:
            advice.append(found.noise)
        sentence = f"{name} answers, and the API key may read and write."
        if self.budget.is_slow(found.seconds):
            advice.append(f"An answer takes {found.seconds:.0f} seconds, so syncing will be slow: ask the shop's host why.")
        if found.unfinished:
            sentence = f"{name} answers and accepts the API key, but too slowly for the whole check."
            advice.append("What could not be asked, such as whether the key may write, shows with the first sync.")
        return self._check(found, "good", sentence, " ".join(advice), moved_to)

    def _bad(self, found: Found, trouble: ChannelError) -> Check:
        if isinstance(trouble, ShopRefused):
            trouble = no_shop(self.credentials)
        moved_to = trouble.to if isinstance(trouble, ShopMoved) else ""
        return self._check(found, trouble.code, trouble.message, trouble.advice, moved_to)

    def _check(self, found: Found, verdict: str, message: str, advice: str, moved_to: str) -> Check:
        return Check(
            verdict, message, advice, self.credentials.endpoint, found.generation, self.credentials.admin_script, moved_to,
            self.budget.spent, found.clock_skew, round(found.seconds, 1),
        )  # fmt: skip

    def _secure_address(self) -> str:
        """The https address, where a shop answers at it too."""
        parts = urlsplit(self.credentials.endpoint)
        secure = f"https://{parts.netloc}{parts.path}"
        return secure if self.budget.requests_left >= 2 and parts.port is None and self._is_shop_at(secure) else ""


_FINAL = (TlsTrouble, AddressRefused, ShopUnreachable, ReadOnlyKey, KeyRejected)
"""After these another generation need not be tried."""

_WEIGHTS = (
    "addon_missing", "moved", "suspended", "staging_password", "maintenance", "busy", "php_messages", "database", "body_changed",
    "method_blocked", "too_old", "firewall", "broken", "refused", "gone", "not_xcart",
)  # fmt: skip


def _weight(exc: ChannelError) -> int:
    """How much an error says: the one with the smallest number is reported."""
    return _WEIGHTS.index(exc.code) if exc.code in _WEIGHTS else -1


def _is_page(exc: ChannelError | None) -> bool:
    """Whether a shop answered 200 with something else than data."""
    return type(exc) is ShopBroken and exc.status_code == 200


def _leads_to_sign_in(answer: Answer) -> bool:
    """Whether an answer of an admin script sends a person to sign in, as X-Cart does (X-Cart 5.4, observed)."""
    return answer.status in (301, 302, 303) and "target=login" in answer.headers.get("location", "")


def _root(endpoint: str) -> str:
    """The address without its folder; empty if there is none."""
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc}" if parts.path.strip("/") else ""
