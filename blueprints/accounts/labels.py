"""Labels of roles and browsers."""

from __future__ import annotations

from flask import Flask

ROLE_WORDS = {"owner": "Owner", "manager": "Manager", "viewer": "Viewer"}
BROWSERS = ("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"), ("curl", "curl")
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)
"""Part of a User-Agent -> name. The first match counts: most browsers claim to be Safari."""


def init_app(app: Flask) -> None:
    app.jinja_env.globals.update(ROLE_WORDS=ROLE_WORDS)
    app.jinja_env.filters.update(browser=browser)


def browser(agent: str) -> str:
    """A User-Agent header in words: ``Firefox on Windows``."""
    found = [next((words for sign, words in known if sign in agent), "") for known in (BROWSERS, SYSTEMS)]
    return " on ".join(word for word in found if word) or "An unknown browser"
