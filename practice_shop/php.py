"""How PHP reads what a client sends: nested names in queries and forms, and loose types."""

import math
import re
from urllib.parse import parse_qsl

_NAME = re.compile(r"\[([^\]]*)\]")
_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
MAX_INPUT_VARS = 1000


def parse(text: str) -> dict:
    """A query or a form as PHP's nested array: `a[b][]=1` becomes {"a": {"b": {"0": "1"}}}.

    Keys stay strings. After 1000 variables PHP drops the rest, and so does this.
    """
    result: dict = {}
    pairs = parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="replace")
    for name, value in pairs[:MAX_INPUT_VARS]:
        base, bracket, _ = name.partition("[")
        base = base.strip().replace(".", "_").replace(" ", "_")
        if not base:
            continue
        keys = [base, *(_NAME.findall(name[len(name.partition("[")[0]) :]) if bracket else ())]
        node = result
        for depth, key in enumerate(keys):
            if key == "":
                key = next_key(node)
            if depth == len(keys) - 1:
                node[key] = value
            else:
                child = node.get(key)
                if not isinstance(child, dict):
                    child = node[key] = {}
                node = child
    return result


def next_key(node: dict) -> str:
    """The key PHP gives to a value appended with `[]`."""
    numbers = [int(key) for key in node if key.isdigit()]
    return str(max(numbers) + 1 if numbers else 0)


def to_int(value) -> int:
    """PHP's (int): the leading number of a text, 0 for what has none."""
    if isinstance(value, int):
        return int(value)
    number = to_float(value)
    return int(number) if math.isfinite(number) else 0


def to_float(value) -> float:
    """PHP's (float): "12,34" is 12, "abc" is 0."""
    if isinstance(value, str):
        found = _NUMBER.match(value)
        value = float(found.group()) if found else 0.0
    if isinstance(value, (int, float)):
        return float(value) if math.isfinite(value) and abs(value) < 1e300 else 0.0
    return 1.0 if value else 0.0


def digits(text: str) -> int | None:
    """A plain id, or None for anything else; longer ones than a database has are none either."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def no_number(name: str):
    """For `json.loads`: PHP knows no NaN and no Infinity in JSON."""
    raise ValueError(f"{name} is no JSON")


def to_bool(value) -> bool:
    """PHP's (bool): "0", "", 0, null and empty lists are false."""
    return value not in (None, False, 0, 0.0, "", "0", [], {})


def values(node) -> list:
    """The values of what PHP would hold as an array, or the single value in a list."""
    if isinstance(node, dict):
        return list(node.values())
    if isinstance(node, list):
        return node
    return [node]
