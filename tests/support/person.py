"""A person at a page, who goes the shortest way to what they see and counts what they do: with the mouse, with the keyboard alone,
or in a browser without JavaScript."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from playwright.sync_api import Locator, Page, Request

Way = Literal["mouse", "keyboard", "plain"]
MOST_TABS = 150

WHERE = """target => {
  const active = document.activeElement;
  if (active === target) return "here";
  const follows = (place, other) => place && place.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING;
  const place = link => document.querySelector(link.hash);
  const leading = [...document.querySelectorAll(".skip-link")].filter(link => follows(place(link), target));
  if (active === leading.reduce((best, link) => best && follows(place(link), place(best)) ? best : link, null)) return "skip";
  if (active === document.body || active.contains(target)) return "Tab";
  return active.compareDocumentPosition(target) & Node.DOCUMENT_POSITION_FOLLOWING ? "Tab" : "Shift+Tab";
}"""
"""What to press for the way to a target: nothing, the link that skips to it, or Tab in its direction."""


class Person:
    """``acts`` counts clicks, keys (Tabs among them) and texts; what is pasted, scanned or typed in one go is one text."""

    def __init__(self, page: Page, way: Way = "keyboard"):
        self.page, self.way = page, way
        self.acts: Counter[str] = Counter()
        self.pages, self.seconds = 0, 0.0
        page.on("requestfinished", self._wait_for)

    @property
    def total(self) -> int:
        return self.acts.total()

    def link(self, name: str, within: Locator | None = None) -> None:
        self.use(self.find("link", name, within))

    def button(self, name: str, within: Locator | None = None) -> None:
        self.use(self.find("button", name, within))

    def find(self, role: Literal["link", "button", "checkbox"], name: str, within: Locator | None = None) -> Locator:
        return (within or self.page).get_by_role(role, name=name, exact=True).first

    def menu(self, name: str, within: Locator | None = None) -> None:
        """Open a menu, or whatever else folds."""
        self.use((within or self.page).locator("summary", has_text=name).first)

    def use(self, target: Locator) -> None:
        """Click something; with the keyboard, go to it and press Enter."""
        if self.way == "keyboard":
            self.go_to(target)
            self.press("Enter")
        else:
            self._click(target)

    def tick(self, target: Locator) -> None:
        """Tick or choose a box or a radio button."""
        if self.way != "keyboard":
            self._click(target)
        elif target.get_attribute("type") == "radio":
            self._choose_radio(target)
        else:
            self.go_to(target)
            self.press("Space")

    def tick_all(self, name: str) -> None:
        """Tick all rows of a list. Without JavaScript there is no box for that, so each is ticked."""
        if self.way == "plain":
            for box in self.page.locator("tbody .tick [type=checkbox]").all():
                self._click(box)
        else:
            self.tick(self.find("checkbox", name))

    def fill(self, label: str | Locator, text: str) -> None:
        """Type or paste into a field in place of what it holds."""
        field = self.page.get_by_label(label, exact=True).first if isinstance(label, str) else label
        if not field.evaluate("element => element === document.activeElement"):
            self.go_to(field) if self.way == "keyboard" else self._click(field)
        self.acts["texts"] += 1
        field.evaluate("element => element.select && element.select()")
        if field.get_attribute("type") == "date":
            field.fill(text)
        else:
            self.page.keyboard.insert_text(text)

    def choose(self, label: str, option: str) -> None:
        """Choose from a list that opens: two clicks, or the text of the option."""
        field = self.page.get_by_label(label, exact=True).first
        if self.way == "keyboard":
            self.go_to(field)
            self.acts["texts"] += 1
        else:
            self.acts["clicks"] += 2
        field.select_option(label=option)

    def give_file(self, label: str, name: str, content: bytes) -> None:
        """Choose a file in the window of the system, which counts as one text."""
        field = self.page.get_by_label(label).first
        if self.way == "keyboard":
            self.go_to(field)
            self.acts["keys"] += 1
        else:
            self.acts["clicks"] += 1
        self.acts["texts"] += 1
        field.set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})

    def scan(self, text: str) -> None:
        """What a scanner does: it types a number and presses Enter."""
        self.acts["texts"] += 1
        self.page.keyboard.insert_text(text)
        self.page.keyboard.press("Enter")

    def paste(self, text: str) -> None:
        """Paste into what has the focus."""
        self.acts["texts"] += 1
        self.page.evaluate(
            """text => { const data = new DataTransfer(); data.setData("text", text);
            const event = new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true});
            if (document.activeElement.dispatchEvent(event)) document.activeElement.value = text; }""",
            text,
        )

    def press(self, key: str) -> None:
        self.acts["tabs" if key.endswith("Tab") else "keys"] += 1
        self.page.keyboard.press(key)

    def go_to(self, target: Locator) -> None:
        """Press Tab until the target has the focus, which has to be seen then. Raises AssertionError where Tab does not reach it."""
        target.wait_for()
        for _ in range(MOST_TABS):
            where = target.evaluate(WHERE)
            if where == "here":
                assert target.evaluate(SHOWN), f"{target} has the focus, and one does not see it"
                return
            self.press("Enter" if where == "skip" else where)
        raise AssertionError(f"{MOST_TABS} Tabs do not reach {target} on {self.page.url}")

    def begin(self) -> None:
        """Count from here."""
        self.acts.clear()
        self.pages, self.seconds = 0, 0.0

    def _wait_for(self, request: Request) -> None:
        """Count a page or a part of one that a person waits for, and the seconds until it was there."""
        if request.resource_type in ("document", "xhr", "fetch") and "x-poll" not in request.headers:
            self.pages += 1
            self.seconds += max(0, request.timing["responseEnd"]) / 1000

    def _click(self, target: Locator) -> None:
        self.acts["clicks"] += 1
        target.click()

    def _choose_radio(self, target: Locator) -> None:
        """Radio buttons are one stop for Tab; arrows choose among them."""
        if target.is_checked():
            return
        group = self.page.locator(f'input[type=radio][name="{target.get_attribute("name")}"]:visible')
        chosen = group.and_(self.page.locator(":checked"))
        self.go_to(chosen if chosen.count() else group.first)
        for _ in range(group.count()):
            if target.is_checked():
                return
            self.press("ArrowDown" if chosen.count() else "Space")
        assert target.is_checked(), f"arrows do not reach {target}"


SHOWN = """target => {
  const shown = target.matches(".segment-input") ? target.nextElementSibling : target;
  const box = shown.getBoundingClientRect();
  const look = getComputedStyle(shown), own = getComputedStyle(target);
  const inside = box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
  const marked = [look, own].some(each => (each.outlineStyle !== "none" && parseFloat(each.outlineWidth) > 0) || each.boxShadow !== "none");
  const middle = document.elementFromPoint(box.left + Math.min(box.width, innerWidth - box.left) / 2, Math.min(Math.max(box.top + box.height / 2, 1), innerHeight - 1));
  const covered = middle && !shown.contains(middle) && !middle.contains(shown) && !target.labels?.[0]?.contains(middle);
  return inside && marked && !covered;
}"""
"""Whether what has the focus is in the window, marked, and covered by nothing."""
