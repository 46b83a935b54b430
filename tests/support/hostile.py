"""A shop that means harm: it answers as the practice shop behind it does, with values slipped into the JSON."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from practice_shop import PracticeShop
from practice_shop.proxy import Answer, Proxy

MARK = "planted-mark"
MARKUP = f"<{MARK}>\"'><script>alert('{MARK}')</script><img src=x onerror=alert(1)></td></textarea></title><svg onload=alert(1)>"
BIDI = "safe\u202etxt.exe\u2066\u200f\u202dend"
CONTROL = "a\x1b[31m\x07\x08\x9b31mb\r\nX-Injected: yes\u2028\u2029"
FORMULA = "=cmd|' /C calc'!A0"
TEMPLATE = "{{ 7 * 7 }}{% for x in ().__class__.__bases__ %}${7*7}"
LINK = "javascript:alert(1)//"
WORDS = (
    MARKUP,
    BIDI,
    CONTROL,
    FORMULA,
    "@SUM(1+1)",
    "\t=1+1",
    "+1+1",
    "-1+1",
    TEMPLATE,
    LINK,
    "x" * 300,
    "\ud83d",
    "",
    " ",
    "null",
    "\ufeff",
)
WRONG = (None, True, 0, -1, 10**30, 1e308, -0.0, [], {}, [[[]]], {"a": {"b": 1}}, "x", [MARKUP], {MARKUP: MARKUP})
"""Values of a type nobody expects where they stand."""

Change = Callable[[str, Any], Any]
"""Takes a value's name and the value, gives what the shop says instead."""


def slip_in(value: Any, change: Change, name: str = "") -> Any:
    """The value with every leaf of it, and every list and object, passed through ``change``."""
    if isinstance(value, dict):
        value = {key: slip_in(each, change, key) for key, each in value.items()}
    elif isinstance(value, list):
        value = [slip_in(each, change, name) for each in value]
    return change(name, value)


def every_text(words: str, names: frozenset[str]) -> Change:
    """Put ``words`` in the place of every text that is called one of ``names``."""
    return lambda name, value: words if isinstance(value, str) and name in names else value


def at_random(seed: int, share: float) -> Change:
    """Put anything in the place of anything, so often."""
    dice = random.Random(seed)

    def change(name: str, value: Any) -> Any:
        if not name or dice.random() > share:
            return value
        return dice.choice(WORDS) if isinstance(value, str) and dice.random() < 0.5 else dice.choice(WRONG)

    return change


class HostileShop(Proxy):
    """``change`` may be set at any time; None passes everything on as it is. Reads only are changed. Rules work as well."""

    def __init__(self, behind: PracticeShop):
        super().__init__(behind.url)
        self.behind = behind
        self.change: Change | None = None
        self.key = behind.key
        self.change_answer = self._with_values

    def _with_values(self, method: str, answer: Answer) -> Answer:
        kind = next((value for name, value in answer.headers if name.lower() == "content-type"), "")
        if self.change is None or method != "GET" or "json" not in kind:
            return answer
        said = slip_in(json.loads(answer.body), self.change)
        # JSON can hold a lone surrogate, and a client must survive it.
        return Answer(answer.status, answer.headers, json.dumps(said, ensure_ascii=True, allow_nan=True).encode())
