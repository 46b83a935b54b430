"""Files over SFTP: the newest that matches, once it stays the same; and files that are put there."""

from __future__ import annotations

import errno
import fnmatch
import posixpath
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO

import paramiko

from channels.base import Gate
from channels.guard import Resolver
from channels.remote_files.contents import CHUNK, Intake, Pulse, finish, same, too_large
from channels.remote_files.failures import (
    FileCut,
    FileGrowing,
    NoFile,
    PlaceAnswered,
    PutNameTaken,
    PutRefused,
)
from channels.remote_files.places import Fetched, FileLimits, HostKey, Place, Put, RemoteFile, Seen, Unchanged
from channels.remote_files.ssh import FAILURES, Line
from errors import InvalidInput

_AHEAD = 64
"""Requests that are under way at the same time while a file is read, so that a far server takes no pause after each."""
_ATTRIBUTES_WRONG = 10**11
"""Seconds; a time beyond this is none."""


@dataclass(slots=True)
class _Visit:
    line: Line
    sftp: paramiko.SFTPClient
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def host(self) -> str:
        return self.line.source.host


def fetch(place: Place, seen: Seen | None, limits: FileLimits, gate: Gate, resolver: Resolver) -> Fetched | Unchanged:
    """As ``channels.remote_files.fetch``, for a checked place."""
    with _visit(place, limits, gate, resolver) as visit:
        found = _newest(visit)
        if (
            seen is not None
            and found.mtime is not None
            and (found.name, found.size, found.mtime) == (seen.name, seen.size, seen.mtime)
        ):
            return Unchanged(seen)
        _wait_for_second_look(visit)
        _expect_same(visit, found, _look(visit, found.name))
        return _read(visit, found)


def latest(place: Place, limits: FileLimits, gate: Gate, resolver: Resolver) -> RemoteFile:
    with _visit(place, limits, gate, resolver) as visit:
        return _newest(visit)


def host_key(place: Place, limits: FileLimits, resolver: Resolver) -> HostKey:
    line = Line(place, limits, lambda: None, resolver)
    try:
        return line.prove()
    finally:
        line.close()


def put(place: Place, name: str, content: IO[bytes], limits: FileLimits, gate: Gate, resolver: Resolver) -> Put:
    """As ``channels.remote_files.put``, for a checked place."""
    if not name or "/" in name or name in (".", "..") or not name.isprintable():
        raise InvalidInput("A file needs a name without slashes and control characters.", field="name")
    size = content.seek(0, 2)
    if size > limits.max_bytes:
        raise too_large(place.host, limits.max_bytes)
    target = posixpath.join(place.path, name)
    with _visit(place, limits, gate, resolver) as visit:
        if _exists(visit, target):
            return _taken(visit, target, name, size, content)
        gate()
        temporary = posixpath.join(place.path, f".{name[:100]}.{secrets.token_hex(4)}.part")
        _write(visit, temporary, content, size)
        if _renamed(visit, temporary, target):
            return Put(name, size)
        with suppress(*FAILURES):
            visit.sftp.remove(temporary)
        if _exists(visit, target):
            return _taken(visit, target, name, size, content)
        # The server lets nobody rename: the file is written where it belongs, and is incomplete until then.
        _write(visit, target, content, size)
    return Put(name, size)


@contextmanager
def _visit(place: Place, limits: FileLimits, gate: Gate, resolver: Resolver) -> Iterator[_Visit]:
    line = Line(place, limits, gate, resolver)
    try:
        sftp = line.sign_in()
        with line.explained():
            yield _Visit(line, sftp)
    finally:
        line.close()


def _newest(visit: _Visit) -> RemoteFile:
    """The file of the path, or the newest that matches its pattern; of several of one time the last by name."""
    folder, pattern = posixpath.split(visit.line.place.path)
    if not any(sign in pattern for sign in "*?["):
        return _look(visit, pattern)
    found: list[RemoteFile] = []
    for entry in _matching(visit, folder, pattern):
        if stat.S_ISLNK(entry.st_mode or 0):
            with suppress(NoFile):
                found.append(_look(visit, entry.filename))
        elif file := _file(entry.filename, entry):
            found.append(file)
    if not found:
        raise NoFile(f"No file on {visit.host} matches the pattern.")
    return max(found, key=lambda file: (file.mtime or 0, file.name))


def _matching(visit: _Visit, folder: str, pattern: str) -> list[paramiko.SFTPAttributes]:
    """Read to its end before anything else is asked: the library asks for more of the list ahead, and would take its answers for ours."""
    most = visit.line.source.limits.max_entries
    found = []
    try:
        for count, entry in enumerate(visit.sftp.listdir_iter(folder or "."), 1):
            if count > most:
                raise PlaceAnswered(
                    f"The folder on {visit.host} holds more than {most:,} files.", "Ask for a separate folder for these files."
                )
            if fnmatch.fnmatchcase(entry.filename, pattern) and entry.filename.isprintable() and "/" not in entry.filename:
                found.append(entry)
    except OSError as exc:
        raise _not_there(visit, exc, "the folder") from None
    return found


def _look(visit: _Visit, name: str) -> RemoteFile:
    visit.line.source.gate()
    try:
        attributes = visit.sftp.stat(posixpath.join(posixpath.dirname(visit.line.place.path), name))
    except OSError as exc:
        raise _not_there(visit, exc, "the file") from None
    file = _file(name, attributes)
    if file is None:
        raise NoFile(f"What is at this path on {visit.host} is not a file.")
    return file


def _file(name: str, attributes: paramiko.SFTPAttributes) -> RemoteFile | None:
    """None for what is no file."""
    mode = attributes.st_mode
    if (mode and stat.S_IFMT(mode) and not stat.S_ISREG(mode)) or attributes.st_size is None:
        return None
    return RemoteFile(name, attributes.st_size, attributes.st_mtime)


def _wait_for_second_look(visit: _Visit) -> None:
    until = time.monotonic() + visit.line.source.limits.look_gap
    while (left := until - time.monotonic()) > 0:
        visit.line.source.gate()
        time.sleep(min(left, 1.0))


def _expect_same(visit: _Visit, before: RemoteFile, now: RemoteFile) -> None:
    if now != before:
        raise FileGrowing(f"The file on {visit.host} is still growing or changing.")


def _read(visit: _Visit, found: RemoteFile) -> Fetched:
    source = visit.line.source
    if found.size > source.limits.max_bytes:
        raise too_large(source.host, source.limits.max_bytes)
    path = posixpath.join(posixpath.dirname(visit.line.place.path), found.name)
    intake = Intake(source, source.limits.max_bytes)
    try:
        with visit.sftp.open(path, "rb") as remote:
            remote.prefetch(found.size, _AHEAD)
            while piece := remote.read(CHUNK):
                intake.add(piece)
        _expect_same(visit, found, _look(visit, found.name))
        if intake.size != found.size:
            raise FileCut(f"{source.host} sent {intake.size:,} of {found.size:,} bytes of the file.")
    except PermissionError as exc:
        intake.file.close()
        raise _not_there(visit, exc, "the file") from None
    except BaseException:
        intake.file.close()
        raise
    intake, name = finish(intake, found.name, source)
    return Fetched(
        name=name, size=intake.size, digest=intake.digest, modified=_moment(found.mtime), began=visit.began,
        seen=Seen(name=found.name, size=found.size, mtime=found.mtime), content=intake.file,
    )  # fmt: skip


def _moment(mtime: int | None) -> datetime | None:
    return datetime.fromtimestamp(mtime, UTC) if mtime and mtime < _ATTRIBUTES_WRONG else None


def _not_there(visit: _Visit, exc: OSError, what: str) -> BaseException:
    """The error for an answer about a path; what is no answer is given back for ``Line.explained``."""
    if exc.errno == errno.ENOENT:
        return NoFile(f"{visit.host} does not have {what}.")
    if exc.errno == errno.EACCES:
        return PlaceAnswered(
            f"{visit.host} does not let this user read {what}.", "Ask the people who run the server for the right to read it."
        )
    return exc


def _exists(visit: _Visit, path: str) -> bool:
    try:
        visit.sftp.stat(path)
    except OSError as exc:
        if exc.errno in (errno.ENOENT, errno.EACCES):
            return False
        raise
    return True


def _taken(visit: _Visit, target: str, name: str, size: int, content: IO[bytes]) -> Put:
    """A file of this name is there: a success if it is the same."""
    with suppress(PermissionError), visit.sftp.open(target, "rb") as remote:
        if visit.sftp.stat(target).st_size == size and same(content, remote.read):
            return Put(name, size, already=True)
    raise PutNameTaken(f"{visit.host} has another file of this name.")


def _write(visit: _Visit, path: str, content: IO[bytes], size: int) -> None:
    """Write a file that is not there yet, and remove it again if it does not become whole. What somebody else has put there stays."""
    try:
        remote = visit.sftp.open(path, "wx")
    except OSError as exc:
        if exc.errno in (errno.EACCES, errno.ENOENT):
            raise PutRefused(f"{visit.host} does not let this user write there.") from None
        if _exists(visit, path):
            raise PutNameTaken(f"{visit.host} has another file of this name.") from None
        raise
    pulse = Pulse(visit.line.source.gate)
    content.seek(0)
    try:
        with remote:
            remote.set_pipelined(True)
            while piece := content.read(CHUNK):
                remote.write(piece)
                pulse.beat()
        with suppress(PermissionError, FileNotFoundError):
            if visit.sftp.stat(path).st_size != size:
                raise FileCut(
                    f"{visit.host} has not kept all of the file.", "Ask the people who run the server whether it is full."
                )
    except BaseException:
        with suppress(*FAILURES):
            visit.sftp.remove(path)
        raise


def _renamed(visit: _Visit, temporary: str, target: str) -> bool:
    """The plain rename refuses a name that exists, as the protocol has it. Some servers know OpenSSH's alone, which would overwrite one:
    it is used only if there is none."""
    with suppress(OSError):
        visit.sftp.rename(temporary, target)
        return True
    if _exists(visit, target):
        return False
    with suppress(OSError):
        visit.sftp.posix_rename(temporary, target)
        return True
    return False
