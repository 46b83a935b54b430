"""What a redirect of a shop, or of its host, says. None is followed; what it points to is rebuilt by us, and only the check offers
it to a person, after it has verified that a shop answers there."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import SplitResult, parse_qs, quote, urljoin, urlsplit

from channels.answers import Answer
from errors import (
    AddonMissing,
    ChannelError,
    Firewall,
    HostingSuspended,
    KeyRejected,
    NotAShop,
    ReadOnlyKey,
    ShopMaintenance,
    ShopMoved,
    StagingPassword,
)

_SUSPENDED = re.compile(r"suspend", re.I)
_GUARD = re.compile(r"captcha|challenge|/cdn-cgi/|verify-?(human|browser)|bot-?check", re.I)
_MAINTENANCE = re.compile(r"maintenance|wartung|under-?construction|coming-?soon", re.I)
_SIGN_IN = re.compile(r"cloudflareaccess\.com|/oauth2?/|/sso\b|/login\b|/sign-?in\b|wp-login|password-protected|/\.auth/", re.I)


def redirect_trouble(
    answer: Answer, endpoint: str, tail: str, scrub: Callable[[str, int], str], generation: str, refused_write: bool
) -> ChannelError:
    """The error for a redirect of ``tail``, the path asked for after ``endpoint``. ``refused_write`` says that the same key has
    just read something well and this was a write.

    X-Cart sends a call of a switched-off add-on to its login page. A refused call under another host's name, and one by http
    to https, it sends to its own address with nothing of the query but ``target=RESTAPI``. A path it does not know it sends to
    ``target=page_not_found`` (X-Cart 5.4, observed)."""
    here = urlsplit(endpoint + tail)
    shop, status = here.netloc, answer.status
    location = answer.headers.get("location", "").strip()
    if not location:
        return NotAShop(f"{shop} redirects to something that is no address.", None, status)
    try:
        there = urlsplit(urljoin(here.geturl(), location))
        host, query = there.netloc.rpartition("@")[2].lower(), parse_qs(there.query)
    except ValueError:
        return NotAShop(f"{shop} redirects to something that is no address.", None, status)
    target = query.get("target", [""])[0]
    at_home = there.scheme == here.scheme and host == here.netloc.lower()
    if target == "login" and at_home:
        return AddonMissing(f"{shop} is an X-Cart shop, but its REST API is not installed or is off.", None, status)
    # The add-on refuses with 302 alone; the other statuses are a host's.
    itself = generation == "addon" and status == 302 and (there.scheme, there.path) == (here.scheme, here.path)
    if itself and (there.query == "target=RESTAPI" or (at_home and not _sets_a_cookie(answer))):
        if refused_write:
            return ReadOnlyKey("The API key may read but not write.", None, status)
        return KeyRejected(f"{shop} does not accept the API key.", None, status)
    if target == "page_not_found":
        return NotAShop(f"There is no X-Cart shop at {shop}{quote(urlsplit(endpoint).path)}.", None, status)
    if (guarded := _guarded(shop, there, status)) is not None:
        return guarded
    if at_home and there.path == here.path:
        return Firewall(
            f"Something before {shop} sends Cartlink's request in a circle, as a test for browsers does.", None, status
        )
    if at_home and not there.path.endswith(tail):
        return NotAShop(f"{shop} redirects Cartlink away: there is no X-Cart shop at this address.", None, status)
    if there.scheme not in ("http", "https") or not host:
        return NotAShop(f"{shop} redirects to something that is no web address.", None, status)
    if here.scheme == "https" and there.scheme == "http":
        advice = "Ask the shop's host to serve the shop's API over https: plain http would send the API key in the clear."
        return ShopMoved(f"{shop} redirects to plain http, which Cartlink does not follow.", advice, status)
    folder = there.path if there.path.endswith(tail) else here.path
    to = scrub(f"{there.scheme}://{host}{quote(folder.removesuffix(tail), safe='/%').rstrip('/')}", 500)
    advice = "If the shop has moved there, reauthorise the integration with the new website end point."
    return ShopMoved(f"{shop} redirects to {to}.", advice, status, to)


def _guarded(shop: str, there: SplitResult, status: int) -> ChannelError | None:
    """A redirect to a page of the host or of a guard, by the words in its address."""
    address = f"{there.netloc}{there.path}"
    if _SUSPENDED.search(address):
        return HostingSuspended(f"The host of {shop} has suspended the account.", None, status)
    if _GUARD.search(address):
        return Firewall(f"A firewall before {shop} stops Cartlink's request and asks for a browser.", None, status)
    if _MAINTENANCE.search(there.path):
        return ShopMaintenance(f"{shop} is closed for maintenance.", None, status)
    if _SIGN_IN.search(address):
        return StagingPassword(f"{shop} asks for a sign-in before the shop itself.", None, status)
    return None


def _sets_a_cookie(answer: Answer) -> bool:
    """Whether a cookie other than the shop's own session goes with the answer: a guard that tests for a browser does so."""
    cookies = answer.headers.get("set-cookie", "")
    return re.search(r"(?:^|,\s*)(?!xid=)[\w.-]+=", cookies) is not None and "xid=" not in cookies
