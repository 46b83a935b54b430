"""A page under a browser's eyes: every width and scheme, and no accessibility violation in any."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

WIDTHS = ((1280, 900), (390, 844))
SCHEMES = ("light", "dark")
ZOOMED = ((640, 450), (195, 422))
"""The same windows at 200 %, as a page sees them."""
SEVERAL_PRIMARY: dict[str, str] = {}
"""Paths of pages that may show several primary buttons, with the reason."""


def some_of(addresses: Sequence[str]) -> list[str]:
    """A third of many pages, drawn by SAMPLE_SEED for `make test`; `make deep` looks at all of them."""
    if os.environ.get("DEEP"):
        return list(addresses)
    drawn = random.Random(f"{os.environ['SAMPLE_SEED']} {addresses}").sample(range(len(addresses)), (len(addresses) + 2) // 3)
    return [addresses[number] for number in sorted(drawn)]


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


def assert_one_primary(page: Page) -> None:
    """A page has one primary action at most."""
    shown = page.evaluate(
        "[...document.querySelectorAll('.btn-primary')].filter(each => each.checkVisibility()).map(each => each.textContent.trim())"
    )
    assert len(shown) <= 1 or urlsplit(page.url).path in SEVERAL_PRIMARY, f"{page.url}: several primary actions: {shown}"


def assert_good_in_every_look(page: Page) -> None:
    """The page has one primary action at most, and fits in every width and at 200 %; a scheme changes nothing but colours. axe takes a
    third of a second, so `make test` asks it in one width and scheme, drawn by SAMPLE_SEED for each address; `make deep` asks it in all
    four and at 200 %."""
    looks = [(width, scheme) for width in WIDTHS for scheme in SCHEMES]
    dice = random.Random(f"{os.environ['SAMPLE_SEED']} {urlsplit(page.url).path}")
    drawn = looks if os.environ.get("DEEP") else [dice.choice(looks)]
    for width in WIDTHS:
        page.set_viewport_size({"width": width[0], "height": width[1]})
        assert_fits(page, f"{width[0]} px")
        for scheme in (scheme for scheme in SCHEMES if (width, scheme) in drawn):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert_accessible(page, f"{scheme}, {width[0]} px")
    assert_one_primary(page)
    for wide, high in ZOOMED:
        page.set_viewport_size({"width": wide, "height": high})
        assert_fits(page, f"{wide} px")
        if os.environ.get("DEEP"):
            assert_accessible(page, f"{wide} px")


def half_of_the_looks(page: Page, walk: str) -> Callable[[], None]:
    """For a walk with many pages: what it answers with is called at each, and looks at half of them in `make test`."""
    dice = random.Random(f"{os.environ['SAMPLE_SEED']} {walk}")

    def look() -> None:
        if dice.random() < 0.5 or os.environ.get("DEEP"):
            assert_good_in_every_look(page)

    return look


def watch(page: Page) -> list[str]:
    """What goes wrong in the browser from now on: errors of scripts and refusals of the content-security policy."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    return wrong
