"""What people paste → a shop's canonical address."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

import idna

from channels.guard import is_at_home
from errors import InvalidInput

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
    if len(pasted.split()) > 1 and not re.search(r"[./:]", pasted):
        # Words, and not an address that was broken where it was copied.
        raise _no_address()
    scheme, rest = _scheme(line)
    try:
        parts = urlsplit(f"{scheme or 'https'}://{rest}")
        port = parts.port
    except ValueError:
        raise _no_address() from None
    host = _host(parts.hostname or "")
    if not scheme:
        scheme = "http" if is_at_home(host, port or 80, allow_private) else "https"
    if port == {"http": 80, "https": 443}[scheme]:
        port = None
    path, script = _folder(re.sub(r"/{2,}", "/", unquote(parts.path)))
    return Site(f"{scheme}://{host}{f':{port}' if port else ''}{quote(path)}", script)


def _scheme(line: str) -> tuple[str, str]:
    """The scheme, empty if none was typed, and the rest without its slashes."""
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
