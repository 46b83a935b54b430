"""The OpenAPI 3.1 document, made from the types that decode requests and encode answers, so that it cannot say anything else."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec
from flask import Response

from api.examples import body_of
from api.operations import JSON, OPERATIONS, Operation, bp
from api.problems import TITLES, ProblemBody
from config import VERSION
from services.accounts.tokens import SCOPES

REF = "#/components/schemas/{name}"
PROBLEM = "Problem"
TEXT = r"^[^\x00]*$"
"""The pattern of a text that may be sent and has no other."""
VARIABLE = re.compile(r"<int:(\w+)>")
ABOUT = (
    "Integrations, orders, stock, listings, shipments and runs of Cartlink. Every error is a problem (RFC 9457) with a stable `code`. "
    "Ids are opaque, times are in UTC, amounts are decimal numbers as text. See docs/api.md."
)
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key", "in": "header", "required": True, "description": "A new one for each act; kept for seven days.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}  # fmt: skip
IF_MATCH = {
    "name": "If-Match", "in": "header", "required": True, "description": "The `version` of what is to be changed, in double quotes.",
    "schema": {"type": "string", "pattern": '^(\\*|"[!#-~]+")$'},
}  # fmt: skip
IF_MATCH_OR_NOT = {
    **IF_MATCH, "required": False, "description": "The `version` of what you have read, in double quotes; then it is done only to that.",
}  # fmt: skip
IF_NONE_MATCH = {
    "name": "If-None-Match", "in": "header", "required": False, "description": "The `ETag` of an earlier answer.",
    "schema": {"type": "string"},
}  # fmt: skip
HEADERS = {
    "RateLimit": "What is left of the token's limit.", "RateLimit-Policy": "The token's limit.", "X-Request-Id": "The id of the request in logs.",
    "ETag": "The validator of this answer.", "Link": 'The next page, as rel="next".', "Location": "The address of what was created.",
    "Idempotency-Replayed": "`true` where this is the answer to an earlier request with the same key.",
    "Retry-After": "Seconds to wait.", "Deprecation": "Since when the operation is deprecated (RFC 9745).",
    "Sunset": "Until when the operation works (RFC 8594).",
}  # fmt: skip

DEPRECATED = {False: (), True: ("Deprecation", "Sunset")}
"""The further headers of an operation by whether it is deprecated."""


@bp.get("/openapi.json", endpoint="openapi", provide_automatic_options=False)
def show_document() -> Response:
    """For everyone: it holds no data, and programs are made from it before they have a token."""
    response = Response(_encoded(), mimetype="application/json")
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


@lru_cache(maxsize=1)
def _encoded() -> bytes:
    return msgspec.json.encode(document())


def document() -> dict[str, Any]:
    """The whole document."""
    made = sorted(OPERATIONS.values(), key=lambda each: (each.path, each.method))
    bodies = [each.body for each in made if each.body is not None]
    answers = [kind for each in made for kind in each.answers.values()]
    schemas = {**_schemas([*answers, ProblemBody]), **_sendable(_schemas(bodies))}
    schemas[PROBLEM] = schemas.pop("ProblemBody")
    paths: dict[str, dict[str, Any]] = {}
    for each in made:
        paths.setdefault(VARIABLE.sub(r"{\1}", each.path), {})[each.method.lower()] = _operation(each)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Cartlink", "version": VERSION, "description": ABOUT},
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}],
        "tags": [{"name": name} for name in sorted({each.tag for each in made})],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": {name: {"description": text, "schema": {"type": "string"}} for name, text in HEADERS.items()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "ctl_…", "description": _scopes()}},
        },
    }


def _scopes() -> str:
    return "Scopes: " + "; ".join(f"`{name}`: {scope.sentence}" for name, scope in SCOPES.items())


def _schemas(kinds: list[Any]) -> dict[str, Any]:
    """The components of these types, as JSON Schema has them."""
    _, components = msgspec.json.schema_components(kinds, ref_template=REF)
    return {name: _portable(schema) for name, schema in components.items()}


def _portable(schema: Any) -> Any:
    """Patterns as JSON Schema writes them (Python's ``\\Z`` is its ``$``), and descriptions as Markdown."""
    if isinstance(schema, dict):
        return {name: _portable(value) for name, value in schema.items()}
    if isinstance(schema, list):
        return [_portable(each) for each in schema]
    return schema.replace(r"\Z", "$").replace("``", "`") if isinstance(schema, str) else schema


def _sendable(schema: Any) -> Any:
    """Schemas of what is sent: no text holds the character NUL, nor does the name of an entry of an object."""
    if isinstance(schema, list):
        return [_sendable(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    free = schema.get("type") == "string" and not schema.keys() & {"pattern", "enum", "format"}
    found = {name: _sendable(value) for name, value in schema.items()} | ({"pattern": TEXT} if free else {})
    if isinstance(schema.get("additionalProperties"), dict):
        found["propertyNames"] = {"pattern": TEXT, **schema.get("propertyNames", {})}
    return found


def _operation(made: Operation) -> dict[str, Any]:
    needs = f"Needs the scope `{made.scope}` and the role {made.role}." if made.scope else "Needs any valid token."
    found: dict[str, Any] = {
        "operationId": made.name, "summary": made.summary, "description": needs, "tags": [made.tag],
        "parameters": _parameters(made), "responses": _responses(made),
    }  # fmt: skip
    if made.deprecated is not None:
        found |= {
            "deprecated": True,
            "description": f"{made.deprecated.sentence()} {needs}",
            "x-sunset": made.deprecated.sunset.isoformat(),
        }
    if made.scope:
        found["x-scope"], found["x-role"] = made.scope, made.role
    if made.body is not None:
        content = {"schema": _ref(made.body), "example": body_of(made)}
        found["requestBody"] = {"required": True, "content": {JSON: content}}
    if made.media_types:
        content = {"schema": {"type": "string"}}
        found["requestBody"] = {"required": True, "content": dict.fromkeys(made.media_types, content)}
    return found


def _ref(kind: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=REF)
    return schema


def _parameters(made: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9]{1,10}$"}}
        for name in VARIABLE.findall(made.path)
    ]
    query = _sendable(_schemas([made.query]))[made.query.__name__]
    for name, schema in query["properties"].items():
        shown = dict(schema)
        about = {"description": text} if (text := shown.pop("description", "")) else {}
        found.append(
            {"name": name, "in": "query", "required": name in query["required"], **about, "schema": _without_null(shown)}
        )
    if made.acts:
        found.append(IDEMPOTENCY_KEY)
    if made.conditional:
        found.append(IF_MATCH)
    if made.versioned:
        found.append(IF_MATCH_OR_NOT)
    if made.method == "GET":
        found.append(IF_NONE_MATCH)
    return found


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is left out; it is never null."""
    schema = {name: value for name, value in schema.items() if not (name == "default" and value is None)}
    options = [each for each in schema.pop("anyOf", []) if each != {"type": "null"}]
    if len(options) == 1:
        return {**options[0], **schema}
    if options:
        schema["anyOf"] = options
    if None in schema.get("enum", ()):
        schema["enum"] = [each for each in schema["enum"] if each is not None]
    return schema


def _responses(made: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, kind in made.answers.items():
        found[str(status)] = {"description": made.summary, "headers": _headers(made, status)}
        if kind is not None:
            found[str(status)]["content"] = {JSON: {"schema": _ref(kind)}}
        if links := _links(made, status):
            found[str(status)]["links"] = links
    if made.method == "GET":
        found["304"] = {"description": "Nothing has changed since the answer with this ETag.", "headers": _refs("ETag")}
        found["414"] = {
            "description": "The address is too long for the page server, which answers in HTML.",
            "content": {"text/html": {}},
        }
    for status in _failures(made):
        more = (("Retry-After",) if status in (409, 429, 503) else ()) + DEPRECATED[made.deprecated is not None]
        found[str(status)] = {
            "description": TITLES[status], "headers": _refs("X-Request-Id", *more),
            "content": {"application/problem+json": {"schema": {"$ref": REF.format(name=PROBLEM)}}},
        }  # fmt: skip
    return found


def _links(made: Operation, status: int) -> dict[str, Any]:
    """What can follow on an answer: after a thing was read, its change with the version that was read; after it was made, reading it."""
    if made.method == "GET":
        following = [each for each in OPERATIONS.values() if each.conditional and each.path == made.path]
        place, headers = "$request.path.{name}", {"If-Match": '"{$response.body#/version}"'}
    else:
        kind = made.answers[status] if status in (201, 202) else None
        following = [each for each in OPERATIONS.values() if each.method == "GET" and kind and each.answers.get(200) is kind]
        place, headers = "$response.body#/id", {}
    found: dict[str, Any] = {}
    for each in following:
        parameters = {name: place.replace("{name}", name) for name in VARIABLE.findall(each.path)}
        found[each.name] = {"operationId": each.name, "description": each.summary, "parameters": parameters | headers}
    return found


def _headers(made: Operation, status: int) -> dict[str, Any]:
    names = ["RateLimit", "RateLimit-Policy", "X-Request-Id", *DEPRECATED[made.deprecated is not None]]
    if made.method == "GET":
        names.append("ETag")
        if getattr(made.answers[status], "__origin__", None) is not None:
            names.append("Link")
    if status in (201, 202):
        names.append("Location")
    if made.acts:
        names.append("Idempotency-Replayed")
    return _refs(*names)


def _refs(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _failures(made: Operation) -> list[int]:
    """The statuses of the problems that an operation may end in."""
    found = {400, 401, 429, 500, 503, *made.statuses}
    if made.scope is not None:
        found.add(403)
    if VARIABLE.search(made.path) or made.body is not None:
        found.add(404)
    if made.body is not None or made.media_types:
        found |= {413, 415, 422}
    if made.method != "GET":
        found |= {409, 413, 422}
    if made.conditional:
        found |= {412, 428}
    if made.versioned:
        found.add(412)
    return sorted(found)
