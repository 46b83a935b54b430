"""The recorded exchanges with real shops, and what is needed to send them again and compare the answers."""

import gzip
import http.client
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

DATA = Path(__file__).resolve().parent.parent / "data"
NOTHING = object()


def json_or_nothing(body: str | bytes):
    """The JSON of an answer, or `NOTHING` where it is not JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return NOTHING


@dataclass(frozen=True)
class Exchange:
    """One recorded request and the answer the real shop gave."""

    place: int
    name: str
    method: str
    target: str
    request_headers: dict
    request_body: str
    status: int
    headers: dict
    body: str

    @property
    def json(self):
        return json_or_nothing(self.body)

    @property
    def query(self) -> dict:
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def path(self) -> str:
        """The entity path of an add-on exchange."""
        return self.query.get("_path", "")


def load(name: str) -> list[Exchange]:
    """The exchanges of one recording, in the order they happened."""
    exchanges = []
    for place, line in enumerate((DATA / name).read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        request, response = row["request"], row["response"]
        exchanges.append(
            Exchange(
                place=place,
                name=row["name"],
                method=request["method"],
                target=request["target"],
                request_headers=request["headers"],
                request_body=request["body"] or "",
                status=response["status"],
                headers={key.lower(): value for key, value in response["headers"].items()},
                body=response["body"] or "",
            )
        )
    return exchanges


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json_or_nothing(self.body)


def send(port: int, method: str, target: str, headers: dict, body: str) -> Answer:
    """Send one request exactly as it was recorded, over a separate connection, following nothing."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.putrequest(method, target, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        data = body.encode()
        if data or method in ("PUT", "POST"):
            connection.putheader("Content-Length", str(len(data)))
        connection.endheaders(data or None)
        response = connection.getresponse()
        content = response.read()
        if response.headers.get("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, content)
    finally:
        connection.close()


def differences(recorded, answered, *, values=frozenset(), loose=frozenset(), where="$") -> list[str]:
    """How an answer's JSON differs in shape from the recorded one: keys, types, and lengths of lists.

    `values` are keys whose values must be equal too. `loose` are keys of lists whose length is a matter of the
    shop's decoration: their rows must still have the same shape. Integers and floats are both numbers.
    """
    if _kind(recorded) != _kind(answered):
        return [f"{where}: {_kind(recorded)} recorded, {_kind(answered)} answered"]
    if isinstance(recorded, dict):
        return _object_differences(recorded, answered, values, loose, where)
    if isinstance(recorded, list):
        found = []
        if len(recorded) != len(answered) and where.rpartition(".")[2] not in loose:
            found.append(f"{where}: {len(recorded)} rows recorded, {len(answered)} answered")
        for index, (left, right) in enumerate(zip(recorded, answered, strict=False)):
            found += differences(left, right, values=values, loose=loose, where=f"{where}[{index}]")
        return found
    return []


def _object_differences(recorded, answered, values, loose, where) -> list[str]:
    found = []
    missing, extra = sorted(set(recorded) - set(answered)), sorted(set(answered) - set(recorded))
    if missing or extra:
        found.append(f"{where}: keys missing {missing}, not recorded {extra}")
    for key in recorded:
        if key not in answered:
            continue
        left, right = recorded[key], answered[key]
        found += differences(left, right, values=values, loose=loose, where=f"{where}.{key}")
        if key in values and not isinstance(left, (dict, list)) and left != right:
            found.append(f"{where}.{key}: {left!r} recorded, {right!r} answered")
    return found


def _kind(value) -> str:
    if value is NOTHING:
        return "no JSON"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return {str: "string", list: "list", dict: "object", type(None): "null"}[type(value)]


Replayed = list[tuple[Exchange, list[str]]]
"""Each recorded exchange with the differences that its repetition showed."""


def check(title: str, replayed: Replayed, not_covered: Collection[str], capsys: pytest.CaptureFixture[str]) -> int:
    """Fail where an answer differs from the recorded one, or where one that is said not to be covered does not. Returns how many are
    covered."""
    differing = {exchange.name: found for exchange, found in replayed if found}
    with capsys.disabled():
        print(f"\n{title}: {len(replayed) - len(differing)} of {len(replayed)} recorded exchanges covered, {len(differing)} not")
    wrong = [f"{name}: {'; '.join(found[:4])}" for name, found in differing.items() if name not in not_covered]
    assert not wrong, "\n".join(wrong)
    assert differing.keys() == set(not_covered)
    return len(replayed) - len(differing)
