"""Uploaded pictures: what is stored is a PNG or a JPEG of a reasonable size, whatever its name says."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from errors import InvalidInput

MOST_BYTES = 512 * 1024
MOST_PIXELS = 4000
"""In width and in height: a small file can name a picture that needs gigabytes."""
PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The segments of a JPEG that name its size."""
ADVICE = "Choose a PNG or JPEG image of at most 512 kB."


@dataclass(frozen=True, slots=True)
class Image:
    content: bytes
    mimetype: str
    digest: str


def check(content: bytes, field: str) -> Image:
    """Decided by the content: names and types that a browser sends can say anything. SVG is refused, because it can hold scripts.
    Raises InvalidInput."""
    if len(content) > MOST_BYTES:
        raise InvalidInput("The image is larger than 512 kB.", ADVICE, field=field)
    if content.startswith(PNG):
        mimetype, size = "image/png", _png_size(content)
    elif content.startswith(JPEG):
        mimetype, size = "image/jpeg", _jpeg_size(content)
    else:
        raise InvalidInput("That file is no PNG or JPEG image.", ADVICE, field=field)
    if size is None or 0 in size:
        raise InvalidInput("The image is damaged.", "Save it again as PNG or JPEG.", field=field)
    if max(size) > MOST_PIXELS:
        raise InvalidInput(
            f"The image has {size[0]} × {size[1]} pixels.",
            f"Make it smaller: at most {MOST_PIXELS} × {MOST_PIXELS}.",
            field=field,
        )
    return Image(content, mimetype, hashlib.sha256(content).hexdigest()[:12])


def _png_size(content: bytes) -> tuple[int, int] | None:
    """Width and height; None if the first chunk is not the header."""
    if len(content) < 33 or content[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Width and height; None if no segment names them."""
    for kind, body in _jpeg_segments(content):
        if kind in SOF and len(body) >= 5:
            height, width = struct.unpack(">HH", body[1:5])
            return width, height
    return None


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The segments before the picture itself."""
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        kind = content[place + 1]
        if kind == 0xFF:  # a byte that only fills
            place += 1
            continue
        length = int.from_bytes(content[place + 2 : place + 4], "big")
        yield kind, content[place + 4 : place + 2 + length]
        place += 2 + max(length, 2)
