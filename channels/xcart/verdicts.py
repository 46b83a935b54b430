"""Decides what an answer of a shop means: for checks, readings and writes of both generations.

``verdict_of`` takes the request and the answer, and returns the data or one subclass of ``errors.ChannelError``. The first row of
this table that fits counts. "Write" is PUT or POST; "reads work" means that the same key has just read successfully.

| answer | verdict | leaf |
|---|---|---|
| 200 or 201 with one JSON value (BOM and white space around it are usual) | data | |
| the same between PHP messages or comments | data, with a warning | |
| 429, 408, 421, 425, 508; 503 with Retry-After | busy | ShopBusy |
| 202; a captcha or challenge page with any status, or its sentence as JSON; a redirect to one | firewall | Firewall |
| "account suspended" with any status, 402, 509; a redirect to such a page | hosting suspended | HostingSuspended |
| 401 with Basic, Digest or NTLM, or with a page; a redirect to a sign-in before the shop | staging password | StagingPassword |
| a page about maintenance; 503; a redirect to such a page | maintenance | ShopMaintenance |
| SQL or a driver's error in ``X-REST-Error`` (addon), in a problem (api), or in a 5xx | shop's database | ShopDatabase |
| PHP messages where no whole value can be found | PHP messages | PhpMessages |
| any other 5xx, an empty answer, damaged data; api: 409 or 422 problem | broken | ShopBroken |
| addon: empty 403 of the type ``text/html``, or 302 to the same script with ``target=RESTAPI`` alone: on a read | key rejected | KeyRejected |
| the same on a write while reads work (an empty 403 only as PHP sends it, ``text/html`` with a charset) | read-only key | ReadOnlyKey |
| addon: one of these two once: the read is answered when it is asked again / another write is not refused | data / firewall | Firewall |
| api: 401 with the shop's JSON | key rejected | KeyRejected |
| the same on a write while reads work: the key was lost on the way | body changed | BodyChanged |
| api: 403 problem on a read / on a write | key rejected / read-only key | KeyRejected / ReadOnlyKey |
| 401, 403, 404, 405, 501, a page or a redirect to no shop on a write while reads work | method blocked | MethodBlocked |
| other 4xx pages that are not X-Cart's | firewall | Firewall |
| addon: 400 ``Input data is incorrect``; api: 400 ``misformatted`` or ``Syntax error``, 406, 415 | body changed | BodyChanged |
| addon: 400 with any other ``X-REST-Error``; api: 400 problem with the shop's title: on a write | row refused | RowRefused |
| the same on a read | broken | ShopBroken |
| api: 404 problem ``Not Found`` (addon: 200 ``null``, which is data) | item gone | ItemGone |
| addon: empty 404; api: 404 ``Not found`` | too old | ShopTooOld |
| addon: 302 to ``target=login`` | add-on missing | AddonMissing |
| a redirect to another address | moved (never followed) | ShopMoved |
| anything else | not this kind of shop | NotAShop |

Real shops gave these answers (X-Cart 5.4.1 and 5.5.0, observed); those of firewalls and hosts are known from public reports.
Only the shop's own program can refuse a row: no answer of a host or a firewall becomes RowRefused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import msgspec

from channels.answers import Answer
from channels.noise import WARNING, json_in
from channels.pages import (
    found_in,
    has_php_messages,
    is_challenge,
    is_database_failure,
    is_maintenance,
    is_suspended,
)
from channels.xcart.redirects import redirect_trouble
from errors import (
    AddonMissing,
    BodyChanged,
    ChannelError,
    Firewall,
    HostingSuspended,
    ItemGone,
    KeyRejected,
    MethodBlocked,
    NotAShop,
    PhpMessages,
    ReadOnlyKey,
    RowRefused,
    ShopBroken,
    ShopBusy,
    ShopDatabase,
    ShopMaintenance,
    ShopTooOld,
    StagingPassword,
)

_BUSY = (408, 421, 425, 429, 508)
_PASSWORD = re.compile(r"\s*(basic|digest|ntlm|negotiate)\b", re.I)
_BODY_LOST = ("Input data is incorrect", "misformatted", "Syntax error")
_API_REFUSAL = re.compile(rb"JWT|Invalid credentials")
_TITLE = "An error occurred"
_OR_BLOCKED = "If it is that key already, the shop's host may block PUT: ask it to allow the HTTP method PUT for {}."
"""The add-on's answer to a read-only key is an empty 403, which a host can give too."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked. ``tail`` is the path after the end point, without its query; ``reads_work`` says that the same key has
    just read something well; ``scrub`` makes a text of the shop fit for a message."""

    generation: str
    method: str
    endpoint: str
    tail: str
    reads_work: bool
    scrub: Callable[[str, int], str]

    @property
    def host(self) -> str:
        return urlsplit(self.endpoint).netloc

    @property
    def writing(self) -> bool:
        return self.method != "GET"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``body`` is the JSON of an answer that carries data, with ``warning`` where something stood beside it; else ``trouble``
    says what the answer is."""

    body: bytes = b""
    warning: str = ""
    trouble: ChannelError | None = None


def verdict_of(asked: Question, answer: Answer) -> Verdict:
    """What an answer means: the table at the top of this file."""
    warning = ""
    if answer.status in (200, 201):
        found = json_in(answer.body)
        if found is not None and _is_guards(found.value):
            return Verdict(trouble=_firewall(asked, answer.status))
        if found is not None:
            refused = _refusal_with_200(asked, answer, found.value) if found.noisy or _is_problem(found.value) else None
            if refused is None:
                return Verdict(found.value, WARNING if found.noisy else "")
            answer = refused
    return Verdict(warning=warning, trouble=_guarded(asked, answer) or _own(asked, answer))


def passing_refusal(asked: Question, answer: Answer) -> Firewall:
    """What a write was that the add-on seems to refuse for its key, where another write with the same key is not refused."""
    return Firewall(f"Something before {asked.host} refused a request of Cartlink (error {answer.status}).", None, answer.status)


def depends_on_reads(trouble: ChannelError) -> bool:
    """Whether a verdict on a write may be another one once it is known that reads work."""
    broken = isinstance(trouble, ShopBroken) and trouble.status_code in (200, 201)
    return broken or isinstance(trouble, (AddonMissing, KeyRejected, NotAShop, ShopTooOld, Firewall))


def _guarded(asked: Question, answer: Answer) -> ChannelError | None:
    """What hosts, guards and PHP answer, before any shop; None if the answer may be the shop's own."""
    status, host, body = answer.status, asked.host, answer.body
    page = b"" if answer.is_json else body
    if _is_challenge(answer, page):
        return _firewall(asked, status)
    if status in (402, 509) or is_suspended(page):
        return HostingSuspended(f"The host of {host} has suspended the account.", None, status)
    if status in _BUSY or (status == 503 and answer.retry_after is not None):
        wait = min(answer.retry_after or 60.0, 3600.0)
        return ShopBusy(f"{host} is too busy to answer (error {status}).", None, status, wait)
    if status == 401 and (_PASSWORD.match(answer.headers.get("www-authenticate", "")) or (page.strip() and not answer.is_json)):
        return StagingPassword(f"{host} asks for a user name and password before the shop itself.", None, status)
    if is_database_failure(_said(answer)) or is_database_failure(
        (page if 201 < status < 500 else body).decode("utf-8", "replace")
    ):
        return ShopDatabase(f"The database of {host} failed.", None, status)
    if status == 503 or (status not in (500, 502, 504) and status >= 200 and is_maintenance(page)):
        return ShopMaintenance(f"{host} is closed for maintenance.", None, status)
    if page and (status in (200, 201) or status >= 500) and has_php_messages(page):
        return PhpMessages(f"{host} answered with PHP messages where data was expected.", None, status)
    if asked.writing and status in (405, 501):
        return _blocked(asked, answer)
    if status >= 500:
        return ShopBroken(f"{host} answered with its error {status}.", None, status)
    return None


def _firewall(asked: Question, status: int) -> Firewall:
    return Firewall(f"A firewall before {asked.host} stops Cartlink's request and asks for a browser.", None, status)


def _is_guards(value: bytes) -> bool:
    """Whether a guard has put its sentence into JSON: a short object with a message alone (Imunify360 does)."""
    return len(value) < 1000 and value[:1] == b"{" and b'"message"' in value and value.count(b":") <= 3 and is_challenge(value)


def _is_challenge(answer: Answer, page: bytes) -> bool:
    if "cf-mitigated" in answer.headers or answer.headers.get("x-amzn-waf-action") or "sg-captcha" in answer.headers:
        return True
    return answer.status == 202 or (answer.status not in (500, 502, 504) and is_challenge(page))


def _own(asked: Question, answer: Answer) -> ChannelError:
    """What the shop itself answered, or a host in its place."""
    status, host = answer.status, asked.host
    if status in (301, 302, 303, 307, 308):
        refused_write = asked.writing and asked.reads_work
        trouble = redirect_trouble(answer, asked.endpoint, asked.tail, asked.scrub, asked.generation, refused_write)
        # Where reads work, the address is right and the API is on: it is writes that are sent away.
        return _blocked(asked, answer) if refused_write and isinstance(trouble, (AddonMissing, NotAShop)) else trouble
    own = _of_addon(asked, answer) if asked.generation == "addon" else _of_api(asked, answer)
    if own is not None:
        return own
    if asked.writing and asked.reads_work and (answer.is_page or status in (401, 403, 404)):
        return _blocked(asked, answer)
    if status in (200, 201):
        what = found_in(answer.body, asked.scrub)
        return ShopBroken(f"{host} answered with {what} where data was expected.", None, 200)
    if status == 404:
        what = "X-Cart admin script" if asked.generation == "addon" else "X-Cart API"
        return NotAShop(f"There is no {what} at {host}{asked.tail if asked.generation == 'addon' else ''}.", None, status)
    if status == 401:
        return NotAShop(f"{host} answers, but not as an X-Cart shop does.", None, status)
    if 400 <= status < 500 and (answer.is_page or status != 400):
        what = " with a page" if answer.is_page else ""
        return Firewall(f"Something before {host} refuses Cartlink's request (error {status}{what}).", None, status)
    return ShopBroken(f"{host} answered with the status {status}, which no X-Cart does.", None, status)


def _of_addon(asked: Question, answer: Answer) -> ChannelError | None:
    """An answer only the add-on gives: its refusals are empty or carry ``X-REST-Error`` (X-Cart 5.4, observed)."""
    status, empty = answer.status, not answer.body.strip()
    if status == 403 and empty and _may_be_php(answer) and not (asked.writing and asked.reads_work and not _from_php(answer)):
        return _key_refused(asked, status)
    if status == 404 and empty and not (asked.writing and asked.reads_work):
        return ShopTooOld(f"The REST API of {asked.host} does not know what Cartlink asks for.", None, status)
    said = answer.headers.get("x-rest-error", "")
    if status == 400 and said:
        return _refused(asked, status, said)
    return None


def _of_api(asked: Question, answer: Answer) -> ChannelError | None:
    """An answer only the API of 5.5 gives: JSON with the shop's own words (5.5.0.29, observed)."""
    status = answer.status
    said = problem_in(answer.body)
    if said is None:
        return None
    if status == 401 and _API_REFUSAL.search(answer.body):
        if asked.writing and asked.reads_work:
            return _changed(
                asked, status, f"Ask the shop's host why the header X-Auth-Token is missing from {asked.method} requests."
            )
        return KeyRejected(f"{asked.host} does not accept the API key.", None, status)
    # Gateways answer problems too; the title is the shop's own.
    if said.get("title") != _TITLE:
        return None
    detail = _detail(said)
    if status == 403:
        return _key_refused(asked, status)
    if status == 404 and detail == "Not Found":
        return ItemGone(f"{asked.host} does not have this item any more.", None, status)
    if status == 404:
        return ShopTooOld(f"The API of {asked.host} does not know what Cartlink asks for.", None, status)
    if status in (406, 415):
        return _changed(asked, status)
    if status == 400:
        return _refused(asked, status, detail)
    if status in (409, 422):
        # The shop's own program has only 400 for what it does not accept (5.5.0.29, observed).
        return ShopBroken(f"{asked.host} answered with its error {status}.", None, status)
    return None


def _key_refused(asked: Question, status: int) -> ChannelError:
    if asked.writing and (asked.reads_work or asked.generation == "api"):
        advice = None if asked.generation == "api" else f"{ReadOnlyKey.advice} {_OR_BLOCKED.format(asked.tail)}"
        return ReadOnlyKey("The API key may read but not write.", advice, status)
    return KeyRejected(f"{asked.host} does not accept the API key.", None, status)


def _may_be_php(answer: Answer) -> bool:
    """Whether an empty answer has the type that PHP gives it. Hosts and guards often give none."""
    return answer.headers.get("content-type", "").lower().startswith("text/html")


def _from_php(answer: Answer) -> bool:
    """Whether an empty answer may be the add-on's: PHP always names a type and, unless it was changed, a charset."""
    return re.match(r"text/html\s*;\s*charset=", answer.headers.get("content-type", ""), re.I) is not None


def _refused(asked: Question, status: int, said: str) -> BodyChanged | ShopBroken | RowRefused:
    if asked.writing and any(words in said for words in _BODY_LOST):
        return _changed(asked, status)
    reason = asked.scrub(said, 200).rstrip(".") or f"error {status}"
    if not asked.writing:
        # A read holds nothing that a shop could refuse: its program failed.
        return ShopBroken(f"{asked.host} answered with an error: {reason}.", None, status)
    return RowRefused(f"{asked.host} refused the request: {reason}.", None, status)


def _changed(asked: Question, status: int, advice: str | None = None) -> BodyChanged:
    return BodyChanged(f"What Cartlink sent to {asked.host} did not arrive as it was sent (error {status}).", advice, status)


def _blocked(asked: Question, answer: Answer) -> MethodBlocked:
    what = {2: "a page", 3: "a redirect"}.get(answer.status // 100, f"error {answer.status}")
    advice = f"Ask the shop's host to allow the HTTP method {asked.method} for {asked.tail}, as it allows GET."
    return MethodBlocked(f"{asked.host} answers reads, but its host blocks {asked.method} ({what}).", advice, answer.status)


def _is_problem(value: bytes) -> bool:
    return len(value) < 8000 and value[:1] == b"{" and _TITLE.encode() in value


def _refusal_with_200(asked: Question, answer: Answer, body: bytes) -> Answer | None:
    """A refusal of the API that came with 200: PHP that has printed a message can set no status any more, and some hosts pass on
    none but 200."""
    said = problem_in(body) if asked.generation == "api" else None
    if said is None:
        return None
    if _API_REFUSAL.search(body):
        status = 401
    elif said.get("title") == _TITLE:
        status = {"Access Denied.": 403, "Forbidden": 403, "Not Found": 404, "Not found": 404, "Internal Server Error": 500}.get(
            _detail(said), 400
        )
    else:
        return None
    return replace(answer, status=status, headers={"content-type": "application/problem+json"}, body=body)


def problem_in(body: bytes) -> dict[str, Any] | None:
    """The shop's own words in an answer of the api generation; None if there are none."""
    found = json_in(body)
    try:
        said = msgspec.json.decode(found.value) if found is not None else None
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return said if isinstance(said, dict) and ("title" in said or "message" in said) else None


def _detail(said: dict[str, Any]) -> str:
    detail = said.get("detail") or said.get("message")
    return detail if isinstance(detail, str) else ""


def _said(answer: Answer) -> str:
    """The shop's own words about an error: a header of the add-on, a field of the API."""
    if answer.status < 400:
        return ""
    said = answer.headers.get("x-rest-error", "")
    return said or _detail(problem_in(answer.body) or {})
