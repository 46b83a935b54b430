"""What comes over the line, kept in temporary files: counted, unpacked within a cap, and looked at from its beginning."""

from __future__ import annotations

import hashlib
import re
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO

from channels import pages
from channels.base import Gate
from channels.hiding import Scrubber
from channels.remote_files.failures import ArchiveUnusable, FileCut, FileEmpty, FileTooLarge, PageInstead
from channels.remote_files.places import MB, FileLimits

IN_MEMORY = 2 * MB
"""A larger file is kept on disk."""
CHUNK = 64 * 1024
LOOKED_AT = 4096
"""Bytes at the beginning of a file by which a web page is recognised."""
_DIRECTORY = MB
"""Bytes of a ZIP file's list of files. zipfile reads all of it into memory."""
_GATE_SECONDS = 1.0
_MARKUP = re.compile(
    rb"(?:<!--.{0,2000}?-->|<\?xml[^>]{0,200}>|\s)*+"  # Possessive: a comment ends at its first end, or twenty would take hours.
    rb"<(?:!doctype\s+html|html|head|body|title|meta|script|link|style|form|div|p|h1)\b",
    re.I | re.S,
)
_PAGE = re.compile(rb"<(?:html|body|form)\b", re.I)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a file comes from, for messages, and what it has to keep to. ``scrub`` cleans a text of the server."""

    host: str
    limits: FileLimits
    gate: Gate
    scrub: Scrubber


class Pulse:
    """Calls a gate about once a second, however often it is asked to."""

    def __init__(self, gate: Gate):
        self._gate = gate
        self._last = time.monotonic()

    def beat(self) -> None:
        """Raises what the gate raises."""
        if time.monotonic() - self._last > _GATE_SECONDS:
            self._gate()
            self._last = time.monotonic()


class Intake:
    """Takes a file piece by piece, to a cap. Calls the gate about once a second."""

    def __init__(self, source: Source, most: int):
        self.file = _temporary()
        self.size = 0
        self._source = source
        self._most = most
        self._pulse = Pulse(source.gate)
        self._digest = hashlib.sha256()

    def add(self, piece: bytes) -> None:
        """Raises FileTooLarge, and what the gate raises."""
        self.size += len(piece)
        if self.size > self._most:
            raise too_large(self._source.host, self._most)
        self._digest.update(piece)
        self.file.write(piece)
        self._pulse.beat()

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()


def _temporary() -> IO[bytes]:
    return SpooledTemporaryFile(IN_MEMORY)


def too_large(host: str, most: int) -> FileTooLarge:
    return FileTooLarge(f"The file of {host} is larger than {most / MB:.4g} MB.")


def gunzipped(pieces: Iterator[bytes], host: str) -> Iterator[bytes]:
    """The unpacked pieces of gzip data, none larger than CHUNK. Raises ArchiveUnusable, or FileCut where the data ends too early."""
    unpacker = zlib.decompressobj(31)
    begun = False
    try:
        for piece in pieces:
            while piece:
                if unpacker.eof:
                    # gzip files may stand one after another; zeros may fill the end.
                    piece = piece.lstrip(b"\0")
                    unpacker = zlib.decompressobj(31) if piece else unpacker
                    continue
                begun = True
                yield unpacker.decompress(piece, CHUNK)
                piece = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        while not unpacker.eof and (rest := unpacker.decompress(b"", CHUNK)):
            yield rest
    except zlib.error:
        raise ArchiveUnusable(f"The gzip data of {host} is damaged.") from None
    if begun and not unpacker.eof:
        raise FileCut(f"The gzip data of {host} ends too early.")


def finish(intake: Intake, name: str, source: Source) -> tuple[Intake, str]:
    """The file that is meant, at its beginning, and its name: what is inside, if this is gzip or a ZIP file with one file in it; a workbook
    is left as it is. Closes ``intake`` if it gives another, and if it raises: ArchiveUnusable, FileCut, FileTooLarge, FileEmpty or
    PageInstead."""
    kept = intake
    try:
        intake.file.seek(0)
        magic = intake.file.read(4)
        intake.file.seek(0)
        if magic[:2] == b"\x1f\x8b":
            kept = Intake(source, source.limits.max_unpacked)
            for piece in gunzipped(iter(lambda: intake.file.read(CHUNK), b""), source.host):
                kept.add(piece)
            name = re.sub(r"\.gz(ip)?$", "", name, flags=re.IGNORECASE)
        elif magic[:2] == b"PK" and magic[2:] in (b"\x03\x04", b"\x05\x06"):
            kept, name = _unzipped(intake, name, source)
        _look_at(kept, source)
    except BaseException:
        intake.file.close()
        kept.file.close()
        raise
    if kept is not intake:
        intake.file.close()
    return kept, name


def _look_at(intake: Intake, source: Source) -> None:
    """Raises FileEmpty or PageInstead by the file's first bytes."""
    intake.file.seek(0)
    head = intake.file.read(LOOKED_AT)
    intake.file.seek(0)
    if not intake.size or (intake.size <= LOOKED_AT and not head.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n\0")):
        raise FileEmpty(f"The file of {source.host} is empty.")
    if is_page(head):
        raise PageInstead(f"{source.host} sent {pages.found_in(head, source.scrub)} where a file was expected.", _advice(head))


def is_page(head: bytes) -> bool:
    """Whether a file begins like a web page. A program may send a table under the type of one, so the type says nothing."""
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _MARKUP.match(head):
        return True
    return head[:1] == b"<" and _PAGE.search(head) is not None


def _advice(head: bytes) -> str | None:
    if pages.is_maintenance(head):
        return "The server is being worked on. Fetch again later."
    if pages.is_challenge(head):
        return "A firewall in front of the server wants to see a browser. Ask the people who run it to let Cartlink through."
    return None


def _unzipped(intake: Intake, name: str, source: Source) -> tuple[Intake, str]:
    _check_directory(intake, source.host)
    try:
        with zipfile.ZipFile(intake.file) as archive:
            members = [each for each in archive.infolist() if not _beside(each)]
            if any(each.filename in ("[Content_Types].xml", "mimetype") for each in members):
                return intake, name
            if len(members) != 1:
                held = "no file" if not members else f"{len(members)} files"
                raise ArchiveUnusable(f"The ZIP file of {source.host} holds {held}, and should hold one.")
            if members[0].flag_bits & 1:
                raise ArchiveUnusable(f"The ZIP file of {source.host} has a password.")
            if members[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ArchiveUnusable(f"The ZIP file of {source.host} is packed in an unusual way.")
            kept = Intake(source, source.limits.max_unpacked)
            try:
                with archive.open(members[0]) as member:
                    while piece := member.read(CHUNK):
                        kept.add(piece)
            except BaseException:
                kept.file.close()
                raise
            return kept, members[0].filename.rpartition("/")[2]
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, zlib.error):
        pass
    raise ArchiveUnusable(f"The ZIP file of {source.host} is damaged or cut short.")


def _beside(member: zipfile.ZipInfo) -> bool:
    """Folders, and what macOS adds to a ZIP file."""
    last = member.filename.rstrip("/").rpartition("/")[2]
    return member.is_dir() or member.filename.startswith("__MACOSX/") or last.startswith(".")


def _check_directory(intake: Intake, host: str) -> None:
    """zipfile reads the list of files at once, however long it is. Raises ArchiveUnusable for one that would take much memory,
    and FileCut where it is not there, because it stands at the end."""
    intake.file.seek(max(0, intake.size - 65_600))
    tail = intake.file.read()
    ends = [match.start() for match in re.finditer(rb"PK\x05\x06", tail)]
    if not any(len(tail) - at >= 22 for at in ends):
        raise FileCut(f"The ZIP file or workbook of {host} ends too early.")
    sizes = [int.from_bytes(tail[at + 12 : at + 16], "little") for at in ends]
    if b"PK\x06\x06" in tail or b"PK\x06\x07" in tail or any(size > _DIRECTORY for size in sizes):
        raise ArchiveUnusable(f"The ZIP file of {host} holds more than one file, or is made in an unusual way.")


def same(content: IO[bytes], other: Callable[[int], bytes]) -> bool:
    """Whether ``content``, from its beginning, is what ``other`` gives piece by piece."""
    content.seek(0)
    return _digest(content.read) == _digest(other)


def _digest(read: Callable[[int], bytes]) -> bytes:
    digest = hashlib.sha256()
    while piece := read(CHUNK):
        digest.update(piece)
    return digest.digest()
