"""Where a merchant's job is done, and the ways that many jobs go."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from playwright.sync_api import Locator, Page, expect

from tests.support.person import Person

SHOP = "Garden shop"
CUSTOMER = "Ernest Hooper"


@dataclass
class Scene:
    """A shop with five orders to ship, one on hold and one that was shipped, and what a job has prepared besides."""

    person: Person
    ready: list[str]
    """The numbers of the orders that are ready, as the list shows them."""
    shipped: str
    work: Callable[[], None]
    """What workers do."""
    feed: str = ""
    downloads: list[str] = field(default_factory=list)
    """Names of the files that were saved."""

    @property
    def page(self) -> Page:
        return self.person.page

    def area(self, name: str) -> None:
        """Go to an area of the main menu, which narrow windows fold."""
        opener = self.page.locator("[data-main-menu]")
        if opener.is_visible():
            self.person.use(opener)
        self.person.link(name, self.page.get_by_role("navigation", name="Main menu"))

    def today(self, text: str) -> None:
        """Follow one of the lines of Today."""
        self.person.use(self.page.locator("a.today-line", has_text=text).first)

    def row(self, text: str) -> Locator:
        return self.page.get_by_role("row").filter(has_text=text).first

    def heading(self, name: str | re.Pattern[str]) -> None:
        """Wait until a page with this heading is there."""
        expect(self.page.get_by_role("heading", name=name).first).to_be_visible()

    def toast(self, text: str) -> None:
        expect(self.page.locator("#toasts")).to_contain_text(text)

    def filtered(self) -> None:
        """Filters apply at once; without JavaScript there is a button."""
        if self.person.way == "plain":
            self.person.button("Filter")

    def to_shop(self) -> None:
        self.area("Settings")
        self.person.link("Sales channel integration")
        self.person.link(SHOP)
