"""Operations of the API: declared with their scope, role and types, and dispatched through one path.

A request passes in this order: token, rate limit, scope and role, query and body, the view. Views get a ``Call`` and answer with a struct or
a ``Reply``; they read and act through services only."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import msgspec
from flask import Blueprint, Response, request
from msgspec import Struct

from api import decoding, idempotency, rate_limits
from api.deprecation import Deprecation
from api.problems import Problem
from api.reply import Reply
from errors import AppError
from extensions import act_as
from services.accounts import tokens
from services.accounts.tokens import Holder, TokenRefused
from services.common.gates import PROGRAMS, SEARCHES

log = logging.getLogger("cartlink.security")

bp = Blueprint("api", __name__, url_prefix="/api/v1")
CHALLENGE = 'Bearer realm="cartlink"'
JSON = "application/json"
REFERENCE = "/settings/api"
"""Where the pages are that render the document."""
VERSIONS = re.compile(r'\*|(W/)?"[!#-~]*"(\s*,\s*(W/)?"[!#-~]*")*')
"""What ``If-Match`` may hold (RFC 9110, 13.1.1)."""
EXPENSIVE = ("search", "hold")
"""Parameters for which many rows may be read."""


class NoQuery(Struct):
    """No parameters."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request: who asks, and what for. ``media_type`` is the body's, ``prepared`` what the operation's ``prepare`` returned."""

    holder: Holder
    query: Any
    body: Any
    prepared: Any = None
    media_type: str = JSON

    @property
    def actor(self) -> str:
        return self.holder.actor

    @property
    def sees_customers(self) -> bool:
        return self.holder.may_see_customers


View = Callable[..., Struct | Reply]


@dataclass(frozen=True, slots=True)
class Operation:
    """``scope`` and ``role`` are what it needs, None for any token. ``answers`` are the types of its good answers by status; None for
    no body. ``conditional`` is true where it needs ``If-Match``, ``versioned`` where it takes one, ``acts`` where it needs
    ``Idempotency-Key``. ``media_types`` are those of a body that is no JSON: the view gets
    its bytes, up to ``most_bytes``. ``prepare`` gets the body before the transaction of an act begins: what asks the network.
    ``deprecated`` says when it goes, and what to use instead."""

    name: str
    method: str
    path: str
    summary: str
    view: View = field(repr=False)
    scope: str | None = None
    role: str = "viewer"
    query: type[Struct] = NoQuery
    body: type[Struct] | None = None
    media_types: Sequence[str] = ()
    most_bytes: int | None = None
    answers: dict[int, Any] = field(default_factory=dict)
    conditional: bool = False
    versioned: bool = False
    prepare: Callable[[Any], Any] | None = None
    expensive: bool = False
    statuses: Sequence[int] = ()
    deprecated: Deprecation | None = None

    @property
    def tag(self) -> str:
        """The resource it belongs to."""
        return self.path.split("/")[1]

    @property
    def acts(self) -> bool:
        return self.method == "POST"


OPERATIONS: dict[str, Operation] = {}


def operation(method: str, path: str, summary: str, **options: Any) -> Callable[[View], View]:
    """Register a view as an operation; its name is the operation's."""

    def register(view: View) -> View:
        made = Operation(view.__name__, method, path, summary, view, **options)
        OPERATIONS[made.name] = made
        bp.add_url_rule(
            path, made.name, lambda **values: dispatch(made, values), methods=[method], provide_automatic_options=False
        )
        return view

    return register


@bp.after_request
def mark_deprecated(response: Response) -> Response:
    """Every answer of a deprecated operation says so, errors too."""
    made = OPERATIONS.get((request.endpoint or "").removeprefix(f"{bp.name}."))
    if made is not None and made.deprecated is not None:
        made.deprecated.add_headers(response, f"{REFERENCE}/{made.tag}#{made.name}")
    return response


def dispatch(made: Operation, values: dict[str, Any]) -> Response:
    holder = authenticate()
    act_as(holder.actor, "api")
    rate_limits.count_request(holder.row_id, holder.user_id)
    check_rights(made, holder)
    query: Any = decoding.decode_query(request.query_string.decode("latin-1"), made.query)
    expensive = made.expensive or any(getattr(query, name, "") for name in EXPENSIVE)
    if expensive:
        rate_limits.count_request(holder.row_id, holder.user_id, rate_limits.EXPENSIVE - 1)
    with PROGRAMS.place(holder.user_id), SEARCHES.place(holder.user_id) if expensive else nullcontext():
        return _answer(made, holder, query, values)


def _answer(made: Operation, holder: Holder, query: Any, values: dict[str, Any]) -> Response:
    content = read_body(made)
    body: Any = content if made.media_types else None
    if made.body is not None:
        body = decoding.decode_body(content, made.body)
    key = idempotency.read_key() if made.acts else ""
    if made.conditional or made.versioned:
        check_if_match(required=made.conditional)
    act = _prepared(made, holder, query, body, values)
    if made.acts:
        reply = idempotency.do_once(holder.row_id, key, content, act)
    else:
        reply = act()
        if reply.after is not None:
            reply.after()
    return respond(reply)


def _prepared(made: Operation, holder: Holder, query: Any, body: Any, values: dict[str, Any]) -> Callable[[], Reply]:
    """The view with its request. What ``prepare`` refuses is refused inside, so that the answer is kept for the idempotency key."""
    found: Any = None
    refused: AppError | None = None
    if made.prepare is not None:
        try:
            found = made.prepare(body)
        except AppError as error:
            refused = error

    def act() -> Reply:
        if refused is not None:
            raise refused
        return as_reply(made.view(Call(holder, query, body, found, request.mimetype), **values))

    return act


def authenticate() -> Holder:
    """The holder of the request's token. Cookies and passwords do not count here. Raises Problem 401, or 429 after too many failures."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        if kind.lower() != "bearer" or not token.strip():
            raise TokenRefused("The request has no token.", "Send it as Authorization: Bearer ctl_….", "token_missing")
        holder = tokens.find_holder(token.strip(), request.remote_addr or "")
    except TokenRefused as refused:
        log.warning("an API request was refused from %s: %s", request.remote_addr, refused.code)
        missing = refused.code == "token_missing"
        if not missing:  # who shows none is not guessing
            rate_limits.count_failure()
        error = "" if missing else ', error="invalid_token"'
        raise Problem(401, refused.code, refused.sentence(), headers={"WWW-Authenticate": CHALLENGE + error}) from None
    tokens.note_use(holder, request.remote_addr or "")
    return holder


def check_rights(made: Operation, holder: Holder) -> None:
    """Raises Problem 403, which names the scope that is missing."""
    if made.scope is not None and made.scope not in holder.scopes:
        raise Problem(
            403, "scope_missing", f"This needs the scope {made.scope}, and a user whose role allows it.", scope=made.scope,
            headers={"WWW-Authenticate": f'{CHALLENGE}, error="insufficient_scope", scope="{made.scope}"'},
        )  # fmt: skip
    if not holder.may(made.role):
        raise Problem(403, "role_insufficient", f"This needs a token of a user with the role {made.role}.")


def read_body(made: Operation) -> bytes:
    """The bytes of the body. Raises Problem 415, or 400 for a body where none is taken; werkzeug raises 413."""
    if made.most_bytes is not None:
        request.max_content_length = made.most_bytes
    content = request.get_data(cache=False)
    if made.media_types:
        if request.mimetype not in made.media_types:
            raise Problem(415, "unsupported_media_type", f"Send the body as {' or '.join(made.media_types)}.")
        return content
    if made.body is None:
        if content.strip() not in (b"", b"{}"):
            raise Problem(400, "unexpected_body", "This operation takes no body.")
        return content
    if request.mimetype != JSON or request.mimetype_params.get("charset", "utf-8").lower() != "utf-8":
        raise Problem(415, "unsupported_media_type", "Send the body as application/json in UTF-8.")
    return content


def as_reply(found: Struct | Reply) -> Reply:
    return found if isinstance(found, Reply) else Reply(found)


def respond(reply: Reply) -> Response:
    """The answer with its validator; 304 where the program has it already."""
    content = reply.content if reply.content is not None else b"" if reply.body is None else msgspec.json.encode(reply.body)
    response = Response(content, reply.status, mimetype=reply.media_type if content else None)
    if not content:
        response.headers.pop("Content-Type", None)
    response.headers.update(reply.headers)
    response.headers["Cache-Control"] = "private, no-cache"
    if request.method in ("GET", "HEAD") and reply.status == 200:
        tag = hashlib.sha256(content).hexdigest()[:32]
        response.set_etag(tag)
        if request.if_none_match.contains_weak(tag):
            response.status_code = 304
            response.set_data(b"")
            response.headers.pop("Content-Type", None)
    return response


def check_if_match(*, required: bool) -> None:
    """Whether ``If-Match`` is there, where it is ``required``, and can be a version at all: one without its quotes would never match, and
    look like a change by somebody else; an empty one would ask for nothing. Raises Problem 428 or 412."""
    sent = request.headers.get("If-Match")
    if sent is None and required:
        raise Problem(428, "precondition_required", "Send If-Match with the version of what you change.")
    if sent is not None and not VERSIONS.fullmatch(sent.strip()):
        raise Problem(412, "if_match_invalid", 'Send If-Match with the version in double quotes, for example "3f0b8c9d5e714a2f".')


def matches(version: str) -> None:
    """Check ``If-Match`` against the version of what is to be changed. Raises Problem 412."""
    if not request.if_match.contains(version):
        raise Problem(
            412, "version_mismatch",
            "It has changed since you read it, or what you sent is not its version (an ETag is none). Read it again, then decide.",
        )  # fmt: skip
