"""Make text from outside safe to show: without control characters, changes of direction, or excessive length.

Jinja escapes HTML; this does the rest. Every expression of every template passes through ``harmless``.
"""

from __future__ import annotations

import re
from typing import Any

from flask import Flask

TURNING = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
"""Characters that change the direction of text: ``safe\\u202etxt.exe`` would be shown as ``safeexe.txt``."""
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
HIDDEN = re.compile(f"{TURNING.pattern}|{CONTROL.pattern}")
LONGEST = 5000
"""Characters of one value. The name of a product in a shop can have millions."""


def init_app(app: Flask) -> None:
    """Call it before the first template is rendered."""
    app.jinja_options = {**app.jinja_options, "finalize": harmless}


def harmless(value: Any) -> Any:
    """A value as it is shown on a page; our own markup is not shortened."""
    if not isinstance(value, str):
        return value
    if type(value) is str and len(value) > LONGEST:
        value = value[:LONGEST] + "…"
    if HIDDEN.search(value) is None:
        return value
    return type(value)(CONTROL.sub("\ufffd", TURNING.sub("", value)))
