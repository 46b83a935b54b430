"""What schemathesis cannot know from the document: keys are new for each act, cursors are taken from the page before, and ids are small
where little is stored.

It is loaded by schemathesis itself (tests/api/schemathesis.toml), not by pytest."""

from __future__ import annotations

import re
import uuid
from typing import Any

import schemathesis
from requests import PreparedRequest

HEADER = "Idempotency-Key"
KEY = re.compile(r"[!-~]{1,255}")
ID = "[0-9]{1,10}"


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Each act gets a new key in place of a good one that schemathesis made up; wrong ones are left as they are."""
    kwargs["auth"] = _with_new_key


def _with_new_key(request: PreparedRequest) -> PreparedRequest:
    key = request.headers.get(HEADER)
    if isinstance(key, str) and KEY.fullmatch(key):
        request.headers[HEADER] = str(uuid.uuid4())
    return request


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """Cursors cannot be made up, so they are not: only the empty one, and what is not a cursor at all. The same ids as in the document, but
    every second one is of something that may be there."""
    for methods in raw_schema["paths"].values():
        for operation in methods.values():
            for parameter in operation["parameters"]:
                if parameter["name"] == "cursor":
                    parameter["schema"] = {"const": ""}
                if parameter["in"] == "path":
                    parameter["schema"]["pattern"] = parameter["schema"]["pattern"].replace(ID, f"([1-3]|{ID})")
