"""What a redirect of a shop says. None is followed; what it points to is rebuilt by us and offered to the person."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, quote, urljoin, urlsplit

from channels.answers import Answer
from errors import AddonMissing, ChannelError, KeyRejected, NotAShop, ShopMoved


def redirect_trouble(answer: Answer, endpoint: str, tail: str, scrub: Callable[[str, int], str]) -> ChannelError:
    """The leaf for a redirect of ``tail``, the path asked for after ``endpoint``.

    X-Cart sends a call of a switched-off add-on to its login page, a refused one under another host's name to the configured
    host, and one by http to https, all with little of the query (X-Cart 5.4, observed)."""
    here = urlsplit(endpoint + tail)
    shop, status = here.netloc, answer.status
    try:
        there = urlsplit(urljoin(here.geturl(), answer.headers.get("location", "")))
        host, login = there.netloc.rpartition("@")[2].lower(), "login" in parse_qs(there.query).get("target", ())
    except ValueError:
        return NotAShop(f"{shop} redirects to something that is no address.", None, status)
    if there.scheme == here.scheme and host == here.netloc.lower():
        if login:
            return AddonMissing(f"{shop} is an X-Cart shop, but its REST API is not installed or is off.", None, status)
        if there.path == here.path:
            return KeyRejected(f"{shop} does not accept the API key.", None, status)
        if not there.path.endswith(tail):
            return NotAShop(f"{shop} redirects Cartlink away: there is no X-Cart shop at this address.", None, status)
    if there.scheme not in ("http", "https") or not host:
        return NotAShop(f"{shop} redirects to something that is no web address.", None, status)
    if here.scheme == "https" and there.scheme == "http":
        advice = "Ask the shop's host to serve the shop's API over https: plain http would send the API key in the clear."
        return ShopMoved(f"{shop} redirects to plain http, which Cartlink does not follow.", advice, status)
    folder = there.path if there.path.endswith(tail) else here.path
    to = scrub(f"{there.scheme}://{host}{quote(folder.removesuffix(tail), safe='/%').rstrip('/')}", 500)
    return ShopMoved(f"The shop answers at {to}.", f"Use {to} as the website end point.", status, to)
