"""The written guide: its pictures are there, and what it quotes is on the pages."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
GUIDE = (DOCS / "user-guide.md").read_text(encoding="utf-8")
SOURCES = "".join(
    path.read_text(encoding="utf-8")
    for folder in ("templates", "blueprints")
    for path in (DOCS.parent / folder).rglob("*")
    if path.suffix in (".html", ".py")
).replace("{label}", "X-Cart")


def test_every_picture_is_there_and_shown() -> None:
    shown = set(re.findall(r"\(images/([\w-]+\.png)\)", GUIDE))
    assert shown == {path.name for path in (DOCS / "images").glob("*.png")}


def test_what_the_guide_quotes_is_on_a_page() -> None:
    quoted = {text for text in re.findall(r"‘([^’]+)’", GUIDE) if text not in ("X-Cart", "Yes", "No")}
    assert len(quoted) > 15
    assert {text for text in quoted if text not in SOURCES} == set()
