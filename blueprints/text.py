"""Words from outside on their way into a page: without what would hide in it, turn it round or fill it.

Escaping is Jinja's own; this is what escaping leaves. Every expression of every template passes through ``harmless``.
"""

from __future__ import annotations

import re
from typing import Any

from flask import Flask

TURNING = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of text round them: ``safe\\u202etxt.exe`` would be read as ``safeexe.txt``."""
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
HIDDEN = re.compile(f"{TURNING.pattern}|{CONTROL.pattern}")
LONGEST = 5000
"""Characters of one value; what a shop calls a product may have ten million."""


def init_app(app: Flask) -> None:
    """To be called before the first template is."""
    app.jinja_options = {**app.jinja_options, "finalize": harmless}


def harmless(value: Any) -> Any:
    """A value as it may stand in a page; markup of our own keeps its length."""
    if not isinstance(value, str):
        return value
    if type(value) is str and len(value) > LONGEST:
        value = value[:LONGEST] + "…"
    if HIDDEN.search(value) is None:
        return value
    return type(value)(CONTROL.sub("\ufffd", TURNING.sub("", value)))
