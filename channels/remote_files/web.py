"""Files over https, on ``channels/session.py: GuardedHttp``.

A redirect is followed to the same scheme, host and port only. The secret goes nowhere else."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import IO, Any, Literal, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlencode, urljoin, urlsplit, urlunsplit

from channels import pages
from channels.answers import Answer
from channels.base import Gate, Limits
from channels.guard import Resolver
from channels.hiding import Scrubber
from channels.remote_files.contents import CHUNK, Intake, Source, finish, gunzipped, same, too_large
from channels.remote_files.failures import (
    FileCut,
    FileEmpty,
    FileTooLarge,
    NoFile,
    PlaceAnswered,
    PlaceBroken,
    PlaceBusy,
    PlaceMoved,
    PlaceRefused,
    PlaceTimeout,
    PlaceUnreachable,
    PlaceUntrusted,
    PutNameTaken,
    PutRefused,
    RemoteFileError,
    SignInRefused,
)
from channels.remote_files.places import Fetched, FileLimits, Place, Put, Seen, Unchanged
from channels.session import GuardedHttp
from errors import AddressRefused, ChannelError, InvalidInput, ShopTimeout, ShopUnreachable, TlsTrouble

MOST_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LOOKED_AT = 16 * 1024
"""Bytes that are read of an answer that is no file."""
_NAME = re.compile(r"[^\w .,()+@=~-]+")


_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class _Redirect:
    to: str


@dataclass(slots=True)
class _Visit:
    """One place during one call. ``begun`` says that the file itself has begun to arrive."""

    place: Place
    source: Source
    http: GuardedHttp
    deadline: float
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    begun: bool = False

    def send(
        self,
        method: Literal["GET", "PUT"],
        url: str,
        headers: dict[str, str],
        body: IO[bytes] | None,
        receive: Callable[[int, Any], _Answer],
    ) -> _Answer:
        """One request with the secret. Raises RemoteFileError."""
        self.source.gate()
        signed = {"User-Agent": self.source.limits.user_agent, "Accept": "*/*", **headers, **_sign_in(self.place)}
        try:
            return self.http.exchange(method, url, signed, body, self.deadline, receive)
        except ChannelError as exc:
            trouble = self._explain(exc)
        raise trouble

    def _explain(self, exc: ChannelError) -> RemoteFileError:
        if isinstance(exc, AddressRefused):
            return PlaceRefused(exc.message)
        if isinstance(exc, TlsTrouble):
            return PlaceUntrusted(exc.message)
        if isinstance(exc, ShopTimeout):
            return PlaceTimeout(exc.message)
        if isinstance(exc, ShopUnreachable):
            return PlaceUnreachable(exc.message)
        if exc.status_code == 200:
            return too_large(self.source.host, self.source.limits.max_bytes)
        if self.begun:
            return FileCut(f"{self.source.host} cut the file short.")
        return PlaceBroken(exc.message)


def fetch(place: Place, seen: Seen | None, limits: FileLimits, gate: Gate, resolver: Resolver) -> Fetched | Unchanged:
    """As ``channels.remote_files.fetch``, for a checked place."""
    visit = _visit(place, limits, gate, resolver)
    headers = {"Accept-Encoding": "gzip"}
    if seen is not None and seen.etag:
        headers["If-None-Match"] = seen.etag
    if seen is not None and seen.last_modified:
        headers["If-Modified-Since"] = seen.last_modified
    url = _with_key(place, place.address)
    with closing(visit.http):
        for _ in range(MOST_REDIRECTS + 1):
            got = visit.send("GET", url, headers, None, lambda status, raw: _fetched(visit, seen, status, raw))
            if not isinstance(got, _Redirect):
                return got
            url = _with_key(place, _followed(visit, url, got.to))
    raise PlaceMoved(f"{visit.source.host} redirects more than {MOST_REDIRECTS} times.", "Enter the address of the file itself.")


def put(place: Place, name: str, content: IO[bytes], limits: FileLimits, gate: Gate, resolver: Resolver) -> Put:
    """As ``channels.remote_files.put``, for a checked place."""
    visit = _visit(place, limits, gate, resolver)
    size = content.seek(0, 2)
    if size > limits.max_bytes:
        raise too_large(visit.source.host, limits.max_bytes)
    parts = urlsplit(place.address)
    in_folder = parts.path.endswith("/") or not parts.path
    url, headers = place.address, {"Content-Type": "application/octet-stream"}
    if in_folder:
        if not name or "/" in name or name in (".", "..") or not name.isprintable():
            raise InvalidInput("A file needs a name without slashes and control characters.", field="name")
        url = urlunsplit(parts._replace(path=f"{parts.path or '/'}{quote(name)}"))
        headers["If-None-Match"] = "*"
    url = _with_key(place, url)
    with closing(visit.http):
        content.seek(0)
        status = visit.send("PUT", url, headers, content, lambda status, raw: _taken(visit, status, raw))
        if status in (409, 412) and in_folder:
            if visit.send("GET", url, {"Accept-Encoding": "identity"}, None, lambda status, raw: _is_same(content, status, raw)):
                return Put(name, size, already=True)
            raise PutNameTaken(f"{visit.source.host} has another file of this name.")
    return Put(name if in_folder else unquote(parts.path.rpartition("/")[2]), size)


def _visit(place: Place, limits: FileLimits, gate: Gate, resolver: Resolver) -> _Visit:
    query = [value for _, value in parse_qsl(urlsplit(place.address).query)]
    scrub = Scrubber([place.secret, _basic(place), *(value for value in query if len(value) > 5)])
    http = GuardedHttp(
        place.address,
        limits=Limits(
            connect_timeout=limits.connect_seconds, read_timeout=limits.stall_seconds, total_timeout=limits.total_seconds,
            max_bytes=limits.max_bytes, allow_private=limits.allow_private, user_agent=limits.user_agent, connections=1,
        ),
        secrets=[place.secret, _basic(place)], resolver=resolver,
    )  # fmt: skip
    return _Visit(place, Source(place.host, limits, gate, scrub), http, time.monotonic() + limits.total_seconds)


def _basic(place: Place) -> str:
    return base64.b64encode(f"{place.user}:{place.secret}".encode()).decode() if place.auth == "basic" else ""


def _sign_in(place: Place) -> dict[str, str]:
    if place.auth == "basic":
        return {"Authorization": f"Basic {_basic(place)}"}
    if place.auth == "bearer":
        return {"Authorization": f"Bearer {place.secret}"}
    return {place.parameter: place.secret} if place.auth == "header" else {}


def _with_key(place: Place, url: str) -> str:
    """The address with the key in its query, where that is how to sign in."""
    if place.auth != "query":
        return url
    parts = urlsplit(url)
    kept = [pair for pair in parts.query.split("&") if pair and unquote(pair.partition("=")[0]) != place.parameter]
    return urlunsplit(parts._replace(query="&".join([*kept, urlencode({place.parameter: place.secret}, quote_via=quote)])))


def _followed(visit: _Visit, url: str, to: str) -> str:
    """The address that a redirect leads to. Raises PlaceMoved if it is not on the same server."""
    host = visit.source.host
    here = urlsplit(url)
    try:
        there = urlsplit(urljoin(url, to))
        same_server = (here.scheme, here.hostname, here.port) == (there.scheme, there.hostname, there.port)
    except ValueError:
        there = None
    if there is None:
        raise PlaceMoved(f"{host} redirects to an address that cannot be used.")
    if there.username is not None or not same_server:
        name = visit.source.scrub(there.hostname or "another address", 100)
        how = " over http" if there.scheme == "http" else ""
        raise PlaceMoved(f"{host} redirects to {name}{how}. Cartlink has not followed.")
    return urlunsplit(there._replace(fragment=""))


def _fetched(visit: _Visit, seen: Seen | None, status: int, raw: Any) -> Fetched | Unchanged | _Redirect:
    headers = {name.lower(): value for name, value in raw.headers.items()}
    if status == 304 and seen is not None:
        return Unchanged(seen)
    if status in _REDIRECTS and headers.get("location"):
        return _Redirect(headers["location"])
    if status == 204:
        raise FileEmpty(f"The file of {visit.source.host} is empty.")
    if status != 200:
        raise _refusal(visit, status, headers, raw.read(_LOOKED_AT, decode_content=False))
    source = visit.source
    visit.begun = True
    intake = Intake(source, source.limits.max_unpacked)
    try:
        for piece in _decoded(source, headers, raw):
            intake.add(piece)
    except BaseException:
        intake.file.close()
        raise
    modified = headers.get("last-modified", "")[:100]
    name = _file_name(headers.get("content-disposition", ""), visit.place.address)
    intake, name = finish(intake, name, source)
    return Fetched(
        name=name, size=intake.size, digest=intake.digest, modified=_moment(modified), began=visit.began,
        seen=Seen(etag=_kept_etag(headers.get("etag", "")), last_modified=modified), content=intake.file,
    )  # fmt: skip


def _decoded(source: Source, headers: dict[str, str], raw: Any) -> Iterator[bytes]:
    """The pieces of the body without its content coding. Raises FileTooLarge by what has come over the line."""
    most = source.limits.max_bytes
    declared = headers.get("content-length", "").strip()
    if declared.isdigit() and int(declared[:18]) > most:
        raise too_large(source.host, most)
    coding = headers.get("content-encoding", "").strip().lower()
    pieces = _counted(source.host, most, raw)
    if coding in ("", "identity"):
        return pieces
    if coding in ("gzip", "x-gzip"):
        return gunzipped(pieces, source.host)
    raise PlaceBroken(f"{source.host} sent the file in a coding that nobody asked for.")


def _counted(host: str, most: int, raw: Any) -> Iterator[bytes]:
    """The pieces as they arrive: waiting for a full one would keep the gate from being asked."""
    size = 0
    while piece := raw.read1(CHUNK, decode_content=False):
        size += len(piece)
        if size > most:
            raise too_large(host, most)
        yield piece


def _taken(visit: _Visit, status: int, raw: Any) -> int:
    """The status of a PUT that was a success or says that the name is taken. Raises RemoteFileError for any other."""
    if status in (200, 201, 202, 204, 409, 412):
        return status
    headers = {name.lower(): value for name, value in raw.headers.items()}
    if status in _REDIRECTS:
        raise PlaceMoved(f"{visit.source.host} redirects what is put there. Cartlink has not followed.")
    if status in (404, 405, 410, 411, 415, 501, 507):
        raise PutRefused(f"{visit.source.host} does not take the file (it answered with {status}).")
    raise _refusal(visit, status, headers, raw.read(_LOOKED_AT, decode_content=False))


def _is_same(content: IO[bytes], status: int, raw: Any) -> bool:
    return status == 200 and same(content, lambda size: raw.read(size, decode_content=False))


def _refusal(visit: _Visit, status: int, headers: dict[str, str], page: bytes) -> RemoteFileError:
    """The error for an answer that is no file."""
    host = visit.source.host
    if status in (408, 425, 429, 503):
        return PlaceBusy(
            f"{host} is busy (it answered with {status}).", Answer(status, headers, b"", datetime.now(UTC)).retry_after
        )
    if status in (401, 403, 407):
        if pages.is_challenge(page):
            return PlaceAnswered(
                f"A firewall in front of {host} refuses Cartlink.", "Ask the people who run the server to let Cartlink through."
            )
        if visit.place.auth == "none":
            return SignInRefused(f"{host} wants a sign-in (it answered with {status}).", "Choose how to sign in, and enter it.")
        return SignInRefused(f"{host} does not accept the sign-in (it answered with {status}).")
    if status in (404, 410):
        return NoFile(f"{host} has no file at this address (it answered with {status}).")
    if status == 413:
        return FileTooLarge(
            f"{host} does not take a file of this size.", "Choose fewer orders or columns, or deliver more often."
        )
    if status >= 500:
        return PlaceBroken(f"{host} failed (it answered with {status}).")
    return PlaceAnswered(f"{host} answered with {status} instead of a file.")


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _kept_etag(etag: str) -> str:
    """An ETag as it can be sent again; empty for a strange one."""
    return etag if len(etag) <= 200 and re.fullmatch(r'(W/)?"[\x21\x23-\x7e]*"', etag) else ""


def _file_name(disposition: str, url: str) -> str:
    """A name for the file: what the server calls it, else the end of the address."""
    said = ""
    if disposition:
        message = Message()
        with suppress(UnicodeError):
            # Headers are read as Latin-1, and many servers write UTF-8 there.
            disposition = disposition.encode("latin-1").decode()
        message["content-disposition"] = disposition[:1000]
        said = message.get_filename() or ""
    name = said or unquote(urlsplit(url).path)
    return _NAME.sub("_", re.split(r"[/\\]", name)[-1].strip())[:200] or "file"
