"""Files of other people's servers: fetched over https and SFTP, and put there. Suppliers' stock feeds and exports that are delivered build on it.

What it is for: one file from or to one place, through the address guard, with caps on size and time, and with an error that says what a person
does about it. What it is not for: what is in the file, when it is fetched, and what the database keeps of it.

A place is never sent anything but GET and PUT, and nothing there is ever deleted, renamed or overwritten, but for a file of our own that is not
complete yet (``put``).
"""

from __future__ import annotations

from typing import IO

from channels.base import Gate
from channels.guard import Resolver, is_known, system_resolver
from channels.remote_files.failures import PlaceRefused, PlaceUnusable, RemoteFileError
from channels.remote_files.places import (
    Fetched,
    FileLimits,
    HostKey,
    Place,
    Put,
    RemoteFile,
    Seen,
    Unchanged,
    check,
    refuse_upwards,
    server_of,
)
from errors import InvalidInput

__all__ = [
    "Fetched", "FileLimits", "HostKey", "Place", "Put", "RemoteFile", "RemoteFileError", "Seen", "Unchanged", "check", "fetch", "host_key", "is_known", "latest", "put",
    "refuse_upwards", "server_of",
]  # fmt: skip


def fetch(
    place: Place,
    seen: Seen | None = None,
    limits: FileLimits = FileLimits(),
    *,
    gate: Gate = lambda: None,
    resolver: Resolver = system_resolver,
) -> Fetched | Unchanged:
    """The file of a place, unpacked if it is packed; Unchanged if it is the one in ``seen``. ``gate`` is called before each request and about
    once a second meanwhile, and may raise. The caller closes what it gets. Raises RemoteFileError."""
    place = _checked(place, limits)
    if place.method == "sftp":
        from channels.remote_files import sftp

        return sftp.fetch(place, seen, limits, gate, resolver)
    from channels.remote_files import web

    return web.fetch(place, seen, limits, gate, resolver)


def put(
    place: Place,
    name: str,
    content: IO[bytes],
    limits: FileLimits = FileLimits(),
    *,
    gate: Gate = lambda: None,
    resolver: Resolver = system_resolver,
) -> Put:
    """Put a file at a place under ``name``, from the beginning of ``content``, which can seek.

    A file that has this name is never overwritten: if it holds the same, that is a success (``already``), so the same file may be put again
    after a failure; if not, PutNameTaken is raised. Over SFTP it is written under a temporary name and renamed. Over https an address that ends
    with "/" is a folder: the name is added, and the server is asked to refuse one that exists. Any other address is the file itself, and
    what it held is replaced. Raises RemoteFileError, or InvalidInput for a name that is none."""
    place = _checked(place, limits)
    if place.method == "sftp":
        from channels.remote_files import sftp

        return sftp.put(place, name, content, limits, gate, resolver)
    from channels.remote_files import web

    return web.put(place, name, content, limits, gate, resolver)


def latest(
    place: Place, limits: FileLimits = FileLimits(), *, gate: Gate = lambda: None, resolver: Resolver = system_resolver
) -> RemoteFile:
    """The newest file of an SFTP place that matches its pattern. Raises RemoteFileError; NoFile if there is none."""
    from channels.remote_files import sftp

    return sftp.latest(_checked(place, limits), limits, gate, resolver)


def host_key(place: Place, limits: FileLimits = FileLimits(), *, resolver: Resolver = system_resolver) -> HostKey:
    """The key with which an SFTP server proves itself at the moment, for a person to compare and confirm; ``str`` of it is what is pinned.
    Nothing is sent that is secret. Raises RemoteFileError."""
    from channels.remote_files import sftp

    return sftp.host_key(_checked(place, limits, signed_in=False), limits, resolver)


def _checked(place: Place, limits: FileLimits, *, signed_in: bool = True) -> Place:
    """The place, checked again: what the operator permits may have changed since it was stored."""
    try:
        return check(place, limits.allow_private, signed_in=signed_in)
    except InvalidInput as exc:
        kind = PlaceRefused if exc.field == "address" else PlaceUnusable
        trouble = kind(exc.message, exc.advice)
    raise trouble
