"""Takes the pictures of the user guide from a running installation.

    make run                                             # in another terminal, on a fresh instance folder
    .venv/bin/python docs/screenshots.py [--address URL] [--endpoint URL] [--key KEY]

It connects the practice shop as the guide says, takes each picture on the way, and removes the shop at the end. It needs the
packages of requirements-dev.txt and a Chromium."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright

FOLDER = Path(__file__).resolve().parent / "images"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NAME = "Garden shop"


class Camera:
    def __init__(self, page: Page):
        self.page = page

    def take(self, name: str, what: Locator | None = None) -> None:
        """One picture: of the page as it is in sight, or of a part of it."""
        self.page.wait_for_timeout(300)
        target = what if what is not None else self.page
        target.screenshot(path=FOLDER / f"{name}.png")
        print(f"docs/images/{name}.png")


def walk(page: Page, endpoint: str, key: str) -> None:
    camera = Camera(page)
    page.goto("/settings")
    camera.take("settings")
    page.get_by_role("main").get_by_role("link", name="Sales channel integration").click()
    camera.take("empty-list")
    page.get_by_role("button", name="Add sales channel").click()
    camera.take("add-sales-channel")
    page.get_by_role("button", name="Add").click()
    page.get_by_label("Name").fill(NAME)
    camera.take("name")
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
    page.get_by_text("Preview: your last order").wait_for(timeout=60_000)
    camera.take("options")
    suggestion = page.get_by_role("button", name="Use these suggestions")
    if suggestion.count():
        suggestion.click()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("link", name=NAME).wait_for()
    camera.take("list")
    page.get_by_role("cell", name="Connected").wait_for(timeout=120_000)
    page.get_by_role("link", name=NAME).click()
    page.get_by_role("heading", name="Last runs").wait_for()
    page.wait_for_timeout(3000)
    camera.take("integration")
    page.get_by_role("button", name="Remove account").click()
    page.get_by_role("dialog").wait_for()
    camera.take("remove")
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Reauthorise").click()
    Camera(opened.value).take("reauthorise")
    opened.value.close()
    page.goto("/activity")
    camera.take("activity")
    page.goto("/settings/sales-channels")
    page.emulate_media(color_scheme="dark")
    camera.take("list-dark")
    page.emulate_media(color_scheme="light")
    page.get_by_role("link", name=NAME).click()
    page.get_by_role("button", name="Remove account").click()
    page.get_by_role("button", name="OK").click()
    page.get_by_role("heading", name="Sales channel integration").wait_for()


def main() -> int:
    parser = argparse.ArgumentParser(description="Take the pictures of the user guide.")
    parser.add_argument("--address", default="http://127.0.0.1:8000", help="where Cartlink answers")
    parser.add_argument("--endpoint", default="http://127.0.0.1:8081", help="the practice shop")
    parser.add_argument("--key", default="practice-full-key", help="its API key")
    given = parser.parse_args()
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        print("There is no Chromium on this machine.", file=sys.stderr)
        return 1
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        context = browser.new_context(
            base_url=given.address, viewport={"width": 1160, "height": 800}, reduced_motion="reduce", timezone_id="Europe/London"
        )
        try:
            walk(context.new_page(), given.endpoint, given.key)
        finally:
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
