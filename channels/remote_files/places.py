"""Where a file is or goes, what was seen there last, and what came."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import TracebackType
from typing import IO, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from channels.guard import is_at_home, is_known_private
from channels.remote_files import private_keys
from errors import InvalidInput

METHODS = ("https", "sftp")
AUTHS = {"https": ("none", "basic", "bearer", "header", "query"), "sftp": ("password", "key")}
WITH_USER = ("basic", "password", "key")
WITH_PARAMETER = ("header", "query")
LONGEST = 500
"""Characters of an address or a path."""
SFTP_PORT = 22
MB = 1024 * 1024

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?\.?")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "range", "if-range", "expect"})
"""Headers that decide how a request is read; a key never goes into one of them."""
_SECRET_NAME = re.compile(r"(?i)(.*[_.-])?(api)?[_.-]?(key|token|password|passwd|pwd|pass|secret|sig|signature|auth)")
"""Names of parameters whose values are secrets: ``key``, ``api_key``, ``access_token``, ``X-Amz-Signature`` and the like."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file on another server, or a folder to put files in.

    ``address`` is a URL for https, and ``host`` or ``host:port`` for SFTP, where ``path`` is the file; its last part may be a pattern
    with ``*``, ``?`` and ``[…]``, of which the newest file is meant. To put files, ``path`` is a folder. ``parameter`` is the name of the header
    or of the query's parameter that holds ``secret``. ``host_key`` is the key of the SFTP server that a person has confirmed, as
    ``str(HostKey)`` gives it."""

    method: str
    address: str = field(repr=False)
    path: str = field(default="", repr=False)
    auth: str = "none"
    user: str = field(default="", repr=False)
    parameter: str = ""
    secret: str = field(default="", repr=False)
    host_key: str = ""

    @property
    def host(self) -> str:
        """The host for messages, with its port if that is an unusual one."""
        host, port = self.endpoint
        return host if port in (443, SFTP_PORT) else f"{host}:{port}"

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host and port of a checked place."""
        parts = urlsplit(self.address if self.method == "https" else f"sftp://{self.address}")
        usual = SFTP_PORT if self.method == "sftp" else 443 if parts.scheme == "https" else 80
        return parts.hostname or "", parts.port or usual


@dataclass(frozen=True, slots=True)
class Seen:
    """What tells whether a file is still the same: headers of https, or the name, bytes and time (in seconds, the server's) of a file on SFTP."""

    etag: str = ""
    last_modified: str = ""
    name: str = ""
    size: int | None = None
    mtime: int | None = None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The file is the one that was seen last."""

    seen: Seen


@dataclass(slots=True)
class Fetched:
    """A file that came whole. ``content`` is a temporary file at its beginning, unpacked; ``size`` and ``digest`` (SHA-256, hexadecimal)
    are of that. ``modified`` is when the server says that the file was changed, ``began`` when we began to ask for it. ``seen`` is what to
    keep for the next time."""

    name: str
    size: int
    digest: str
    modified: datetime | None
    began: datetime
    seen: Seen
    content: IO[bytes] = field(repr=False)

    def close(self) -> None:
        self.content.close()

    def __enter__(self) -> Fetched:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file in a folder of an SFTP server; ``mtime`` in seconds since 1970, None if the server does not say."""

    name: str
    size: int
    mtime: int | None


@dataclass(frozen=True, slots=True)
class Put:
    """What was put: the name it has there, its bytes, and whether the same file was ``already`` there."""

    name: str
    size: int
    already: bool = False


@dataclass(frozen=True, slots=True)
class HostKey:
    """The public key of an SFTP server. ``kind`` is such as ``ssh-ed25519``, ``data`` its base64."""

    kind: str
    data: str

    @property
    def fingerprint(self) -> str:
        """As OpenSSH prints it: ``SHA256:`` and the base64 of the digest, without padding."""
        digest = hashlib.sha256(base64.b64decode(self.data)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"

    def __str__(self) -> str:
        return f"{self.kind} {self.data}"

    @classmethod
    def parse(cls, text: str) -> HostKey:
        """From ``str`` of one, or from a line of a ``.pub`` file. Raises InvalidInput."""
        kind, _, rest = text.strip().partition(" ")
        data = rest.strip().partition(" ")[0]
        try:
            blob = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            blob = b""
        name = kind.encode("ascii", "replace")
        if not kind or not blob.startswith(len(name).to_bytes(4, "big") + name):
            raise InvalidInput(
                "That is not the key of an SFTP server.", "Fetch the server's key again and confirm it.", "host_key"
            )
        return cls(kind, data)


@dataclass(frozen=True, slots=True)
class FileLimits:
    """How the network may be used for one file. Times in seconds, sizes in bytes.

    ``stall_seconds`` may pass without a byte, ``total_seconds`` is for all of it. ``max_bytes`` is how large a file may be as it travels,
    ``max_unpacked`` when it is unpacked. ``look_gap`` lies between two looks at a file on SFTP that has to stay the same, of whose folder at
    most ``max_entries`` files are looked at. ``allow_private`` is as in ``channels.base.Limits``."""

    connect_seconds: float = 10.0
    stall_seconds: float = 30.0
    total_seconds: float = 300.0
    max_bytes: int = 64 * MB
    max_unpacked: int = 256 * MB
    look_gap: float = 5.0
    max_entries: int = 20_000
    allow_private: tuple[str, ...] = ()
    user_agent: str = "Cartlink"


def check(place: Place, allow_private: Sequence[str] = (), *, signed_in: bool = True) -> Place:
    """The place as it is stored: trimmed, and the parts of a pasted ``sftp://`` address where they belong. Looks nothing up. Raises InvalidInput
    with the field, for what cannot be used and for an address that is known to lead into a private network the operator does not permit.
    Without ``signed_in`` it may lack what it takes to sign in; with it, a user and a parameter that are not used are left out."""
    place = replace(
        place, address=place.address.strip(), path=place.path.strip(), user=place.user.strip(), parameter=place.parameter.strip()
    )
    if place.method not in METHODS:
        raise InvalidInput("A file comes over https or SFTP.", "Choose one of the two.", "method")
    place = _checked_url(place, allow_private) if place.method == "https" else _checked_server(place, signed_in)
    host, port = place.endpoint
    if is_known_private(host, port, allow_private):
        raise InvalidInput(
            f"{host} is not on the public internet, so Cartlink does not connect to it.",
            "Use a public address, or ask the person who runs Cartlink to allow this private address.", "address",
        )  # fmt: skip
    if signed_in:
        _check_sign_in(place)
        place = replace(
            place, user=place.user if place.auth in WITH_USER else "", parameter=place.parameter if place.auth in WITH_PARAMETER else ""
        )  # fmt: skip
    return place


def refuse_upwards(place: Place) -> None:
    """For a checked place that a person enters: its folders are written out. Where ``..`` leads depends on the server. One that is stored already
    keeps working. Raises InvalidInput."""
    name, path = ("path", place.path) if place.method == "sftp" else ("address", unquote(urlsplit(place.address).path))
    if ".." in re.split(r"[/\\]", path):
        raise InvalidInput("The path goes up with ‘..’.", "Write the folder out from the top, for example /out/orders.", name)


def server_of(method: str, address: str) -> tuple[Any, ...]:
    """By what it is known whether two addresses, as people type them, lead to the same server: a secret that is stored for one of them is not sent
    to another."""
    address = address.strip()
    try:
        parts = urlsplit(address if method == "https" else f"sftp://{address.removeprefix('sftp://')}")
        return method, parts.scheme, parts.hostname, parts.port
    except ValueError:
        return method, address


def _checked_url(place: Place, allow_private: Sequence[str]) -> Place:
    url = place.address
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = parts.hostname or ""
    if parts.scheme.lower() not in ("https", "http") or not host or not url.isascii() or not url.isprintable() or " " in url:
        raise _no_url()
    if len(url) > LONGEST or parts.fragment or not (":" in host or _HOST.fullmatch(host)):
        raise _no_url()
    if parts.username is not None or parts.password is not None:
        raise InvalidInput(
            "The address must not hold a user name or password.", "Choose how to sign in, and enter them there.", "address"
        )
    if place.auth != "query":
        _refuse_secret_parameter(parts.query)
    if parts.scheme.lower() == "http" and not is_at_home(host, port or 80, allow_private):
        raise InvalidInput("The address has to begin with https://.", "Plain http would send everything in the clear.", "address")
    return replace(place, address=f"{parts.scheme.lower()}://{url.partition('://')[2]}", path="")


def _refuse_secret_parameter(query: str) -> None:
    """An address is shown on pages and stored as it is; a secret is neither. Raises InvalidInput."""
    found = next((name for name, value in parse_qsl(query) if value and _SECRET_NAME.fullmatch(name)), "")
    if found:
        raise InvalidInput(
            f"The address holds a secret ({found[:40]}=…), and an address is shown and stored as it is.",
            f"Take it out of the address. Sign in with a key in the address instead, whose parameter is {found[:40]}.",
            "address",
        )


def _checked_server(place: Place, signed_in: bool) -> Place:
    address, path = place.address, place.path
    if address.lower().startswith("sftp://"):
        address, slash, rest = address[len("sftp://") :].partition("/")
        path = path or slash + rest
    user, at, bare = address.rpartition("@")
    if ":" in user:
        raise InvalidInput("The address must not hold a password.", "Enter it below.", "address")
    address, user = bare.rstrip("/"), place.user or (user if at else "")
    try:
        parts = urlsplit(f"sftp://{address}")
        fits = parts.netloc == address and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    host = (parts.hostname or "") if fits else ""
    if not (_HOST.fullmatch(host) or ":" in host) or not address.isascii() or len(address) > LONGEST:
        raise InvalidInput(
            "That is not an address of an SFTP server.",
            "Write the server's name, and its port after a colon if it is not 22.",
            "address",
        )
    if (signed_in and not path) or len(path) > LONGEST or not path.isprintable():
        raise InvalidInput("Enter the path of the file on the server.", "For example /out/stock.csv or /out/stock_*.csv.", "path")
    folder = path.rpartition("/")[0]
    if any(sign in folder for sign in "*?["):
        raise InvalidInput("Only the name of the file may be a pattern, not its folder.", "Write the folder out.", "path")
    if place.host_key:
        HostKey.parse(place.host_key)
    return replace(place, address=address, path=path, user=user)


def _check_sign_in(place: Place) -> None:
    if place.auth not in AUTHS[place.method]:
        raise InvalidInput("Choose how Cartlink signs in there.", field="auth")
    if place.auth in WITH_USER and not place.user:
        raise InvalidInput("Enter the user name.", field="user")
    if not place.user.isprintable() or len(place.user) > 200 or (place.auth == "basic" and ":" in place.user):
        raise InvalidInput("A user name has no colon and no control characters.", field="user")
    if place.auth == "header" and (not _TOKEN.fullmatch(place.parameter) or place.parameter.lower() in _OURS):
        raise InvalidInput("Enter the name of the header, for example X-Api-Key.", field="parameter")
    if place.auth == "query" and not (place.parameter and place.parameter.isprintable() and len(place.parameter) <= 100):
        raise InvalidInput("Enter the name of the parameter, for example key.", field="parameter")
    if place.auth == "none":
        return
    if not place.secret:
        raise InvalidInput("Enter the password, key or token.", field="secret")
    if place.auth == "key":
        private_keys.read(place.secret)
    elif not place.secret.isprintable():
        raise InvalidInput("The password, key or token has line breaks or other control characters.", "Copy it again.", "secret")
    if place.auth in ("bearer", "header") and not (place.secret.isascii() and place.secret == place.secret.strip()):
        raise InvalidInput("The key or token has characters that a header cannot hold.", "Copy it again.", "secret")


def _no_url() -> InvalidInput:
    return InvalidInput(
        "That is not an address Cartlink can use.",
        "Write it as https://example.com/folder/file, without a user name in it.",
        "address",
    )
