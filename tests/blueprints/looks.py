"""A page under a browser's eyes: every width and scheme, and no accessibility violation in any."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

WIDTHS = ((1280, 900), (390, 844))
SCHEMES = ("light", "dark")


def every_look(page: Page) -> Iterator[str]:
    """The page in every width and scheme, one after the other."""
    for width, height in WIDTHS:
        for scheme in SCHEMES:
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            yield f"{scheme}, {width} px"


def assert_accessible(page: Page, look: str = "") -> None:
    """axe finds nothing."""
    answer = Axe().run(page)
    assert not answer.response["violations"], f"{page.url} {look}\n{answer.generate_report()}"


def assert_fits(page: Page, look: str = "") -> None:
    """No id is used twice, and nothing reaches over the edge of the page."""
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
    assert len(ids) == len(set(ids)), f"{page.url}: ids used twice: {sorted({one for one in ids if ids.count(one) > 1})}"
    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert over <= 0, f"{page.url} {look}: {over} px too wide"


def assert_good_in_every_look(page: Page) -> None:
    """The page fits in every look. axe takes a third of a second, so `make test` asks it in one look, drawn by SAMPLE_SEED for each
    address; `make deep` asks it in all four."""
    drawn = random.Random(f"{os.environ['SAMPLE_SEED']} {urlsplit(page.url).path}").randrange(4)
    for number, look in enumerate(every_look(page)):
        assert_fits(page, look)
        if number == drawn or os.environ.get("DEEP"):
            assert_accessible(page, look)


def watch(page: Page) -> list[str]:
    """What goes wrong in the browser from now on: errors of scripts and refusals of the content-security policy."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    return wrong
