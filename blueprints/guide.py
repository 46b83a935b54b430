"""The user guide, as pages of the application: ``docs/user-guide.md`` and its pictures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, abort, render_template, send_file, url_for
from markdown_it import MarkdownIt
from markdown_it.token import Token

bp = Blueprint("guide", __name__, url_prefix="/guide")
DOCS = Path(__file__).resolve().parent.parent / "docs"
GUIDE = DOCS / "user-guide.md"
PICTURE = re.compile(r"images/([\w-]+\.png)")


@dataclass(frozen=True, slots=True)
class Guide:
    """``title`` is the first heading, ``sections`` are (id, text) of those of the second level."""

    title: str
    sections: tuple[tuple[str, str], ...]
    body: str


@bp.get("")
def show_guide() -> str:
    return render_template("guide.html", guide=_read(GUIDE.stat().st_mtime_ns, url_for(".show_picture", name="NAME")))


@bp.get("/images/<name>")
def show_picture(name: str) -> Response:
    if not PICTURE.fullmatch(f"images/{name}") or not (DOCS / "images" / name).is_file():
        abort(404)
    return send_file(DOCS / "images" / name, max_age=3600)


@cache
def _read(changed_ns: int, picture: str) -> Guide:
    """The guide as HTML. ``picture`` is the address of a picture called NAME. HTML in the text stays text."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(GUIDE.read_text(encoding="utf-8"))
    title, sections = "", []
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            text = tokens[place + 1].content
            token.attrSet("id", section_id(text))
            if token.tag == "h1":
                title = text
            elif token.tag == "h2":
                sections.append((section_id(text), text))
        for child in token.children or ():
            _point_here(child, picture)
    body = tokens[3:] if title else tokens  # The page shows the title itself.
    return Guide(title, tuple(sections), parser.renderer.render(body, parser.options, {}))


def section_id(heading: str) -> str:
    """``Work on orders`` -> ``work-on-orders``, as hosts of Markdown do it."""
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")


def _point_here(token: Token, picture: str) -> None:
    """Have pictures and links lead to pages of the application. Links to other documents lead nowhere here: their text is shown alone."""
    if token.type == "image" and (found := PICTURE.fullmatch(str(token.attrGet("src")))):
        token.attrSet("src", picture.replace("NAME", found[1]))
        token.attrSet("loading", "lazy")
    elif token.type == "link_open" and not str(token.attrGet("href")).startswith(("#", "https://", "http://", "mailto:")):
        token.attrs = {}
        token.tag = "span"
