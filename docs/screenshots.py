"""Takes the pictures of the user guide from a running installation, and notes the headings of each page that they show.

    make run                                             # in another terminal, on a fresh instance folder
    .venv/bin/python docs/screenshots.py --code CODE [--address URL] [--endpoint URL] [--key KEY]

CODE is the one-time code that ‘make run’ printed. The script creates an owner, connects the practice shop as the guide says, takes each picture
on the way, and removes the shop at the end. docs/images/headings.json has what tests/blueprints/test_pictures.py compares with the pages:
where it fails, take the pictures again. The script needs the packages of requirements-dev.txt and a Chromium."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright

FOLDER = Path(__file__).resolve().parent / "images"
HEADINGS = FOLDER / "headings.json"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NAME = "Garden shop"
OWNER, PASSWORD = "ann", "some pictures for the guide"


class Camera:
    """Takes pictures of one page; ``headings`` collects those of each picture."""

    def __init__(self, page: Page, headings: dict[str, list[str]]):
        self.page, self.headings = page, headings

    def take(self, name: str, part: Locator | None = None) -> None:
        """One picture of the page as it is in sight. ``part`` is what it is about, where that is not the whole page."""
        self.page.wait_for_timeout(500)
        self.page.screenshot(path=FOLDER / f"{name}.png")
        shown = (part or self.page.locator("main")).locator("h1, h2")
        self.headings[name] = [" ".join(text.split()) for text in shown.all_text_contents()]
        print(f"docs/images/{name}.png")


def sign_in(page: Page, code: str) -> None:
    """As the first owner, or as the owner of an earlier call."""
    page.goto("/settings")
    if page.get_by_label("One-time code").count():
        page.get_by_label("One-time code").fill(code)
        page.get_by_label("Name").fill(OWNER)
        page.locator("[name=password]").fill(PASSWORD)
        page.get_by_role("button", name="Create owner and sign in").click()
    elif page.locator("[name=password]").count():
        page.get_by_label("Name").fill(OWNER)
        page.locator("[name=password]").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda address: not address.endswith(("/first-run", "/sign-in")))


def connect(camera: Camera, endpoint: str, key: str) -> None:
    page = camera.page
    page.goto("/settings/sales-channels")
    page.get_by_role("button", name="Add sales channel").first.click()
    camera.take("add-sales-channel")
    page.get_by_role("button", name="Add").click()
    page.get_by_label("Name").fill(NAME)
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Website end point").fill(f"{endpoint}/admin.php")
    page.get_by_label("API key").fill(key[:-1])
    page.get_by_text("Cartlink will use").wait_for()
    camera.take("website-and-key")
    page.get_by_role("button", name="Next").click()
    page.locator("[data-error-summary]").wait_for()
    camera.take("wrong-key")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Next").click()
    page.get_by_text("Preview: your last order").wait_for()
    camera.take("options")
    suggestion = page.get_by_role("button", name="Use these suggestions")
    if suggestion.count():
        suggestion.click()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("link", name=NAME).wait_for()
    page.get_by_role("cell", name="Connected").wait_for()
    page.reload()
    camera.take("list")


def work(camera: Camera) -> None:
    """A day's work: orders, stock, reports."""
    page = camera.page
    for name, path in (("today", "/today"), ("stock", "/stock"), ("reports", "/reports"), ("activity", "/activity")):
        page.goto(path)
        camera.take(name)
    page.goto("/orders?state=ready")
    camera.take("orders")
    for box in page.locator("tbody input[type=checkbox]").all()[:4]:
        box.check()
    page.get_by_role("button", name="Ship …").click()
    page.get_by_role("button", name="Ship 4 orders").wait_for()
    camera.take("ship-sheet")


def settle(camera: Camera) -> None:
    """The page of the integration, its settings, and the ways to change or remove it."""
    page = camera.page
    page.goto("/settings/sales-channels")
    page.get_by_role("link", name=NAME).click()
    page.get_by_role("heading", name="Last runs").wait_for()
    camera.take("integration")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Reauthorise").click()
    Camera(opened.value, camera.headings).take("reauthorise")
    opened.value.close()
    page.get_by_role("link", name="Edit settings").click()
    camera.take("integration-settings")
    page.go_back()
    page.get_by_role("button", name="Remove account").click()
    page.get_by_role("dialog").wait_for()
    camera.take("remove", page.get_by_role("dialog"))
    page.get_by_role("button", name="OK").click()
    page.get_by_role("heading", name="Sales channel integration").wait_for()


def walk(page: Page, given: argparse.Namespace) -> dict[str, list[str]]:
    camera = Camera(page, {})
    sign_in(page, given.code)
    connect(camera, given.endpoint, given.key)
    work(camera)
    settle(camera)
    return camera.headings


def main() -> int:
    parser = argparse.ArgumentParser(description="Take the pictures of the user guide.")
    parser.add_argument("--address", default="http://127.0.0.1:8000", help="where Cartlink answers")
    parser.add_argument("--endpoint", default="http://127.0.0.1:8081", help="the practice shop")
    parser.add_argument("--key", default="practice-full-key", help="its API key")
    parser.add_argument("--code", default="", help="the one-time code of a fresh installation")
    given = parser.parse_args()
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        print("There is no Chromium on this machine.", file=sys.stderr)
        return 1
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        context = browser.new_context(
            base_url=given.address,
            viewport={"width": 1280, "height": 800},
            reduced_motion="reduce",
            timezone_id="Europe/London",
            locale="en-US",
        )
        context.set_default_timeout(120_000)
        try:
            found = walk(context.new_page(), given)
        finally:
            browser.close()
    HEADINGS.write_text(json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
