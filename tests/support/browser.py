"""A real Chromium against a real server."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from werkzeug.serving import make_server

from tests.support.signed_in import sign_in

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE = 60_000
"""Milliseconds in which a page gets to the state that a test waits for, on a slow machine too."""
expect.set_options(timeout=PATIENCE)


def chromium() -> str | None:
    """The path of this machine's Chromium."""
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all page tests of a test run. Without one they are skipped, and fail under CI=true."""
    program = chromium()
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("There is no Chromium, and under CI the page tests must run.")
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=list(FLAGS), headless=True)
        try:
            yield opened
        finally:
            opened.close()


@pytest.fixture
def server(app: Flask) -> Iterator[str]:
    """The application behind a real, threaded server on a free port; answers with its address."""
    made = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{made.server_port}"
    finally:
        made.shutdown()
        thread.join(10)
        made.server_close()


@pytest.fixture
def browser_context(browser: Browser, server: str, app: Flask) -> Iterator[BrowserContext]:
    """A fresh browser profile, signed in as the owner."""
    context = browser.new_context(base_url=server)
    context.set_default_timeout(PATIENCE)
    context.add_cookies([{**session_cookie(app, "owner"), "url": server}])
    try:
        yield context
    finally:
        context.close()


@pytest.fixture
def page(browser_context: BrowserContext) -> Page:
    """An empty page in it; ``page.goto("/")`` opens the application."""
    return browser_context.new_page()


def session_cookie(app: Flask, name: str) -> dict[str, str]:
    """The session cookie of a browser in which ``name`` has signed in."""
    client = app.test_client()
    sign_in(client, name)
    cookie = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    if cookie is None:
        raise AssertionError("signing in set no cookie")
    return {"name": cookie.key, "value": cookie.value}
