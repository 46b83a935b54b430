"""The pages that render the OpenAPI document: the operations of all resources, and for each resource its operations and types with an
example of each call. They hold no data, and need no script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flask import Blueprint, render_template

from api import openapi
from api.examples import Example, example_of
from api.operations import JSON, OPERATIONS, REFERENCE
from errors import NotFound

pages = Blueprint("api_reference", __name__, url_prefix=REFERENCE)
PREFIX = openapi.REF.format(name="")
SIMPLE = {"string": "text", "boolean": "true or false", "integer": "whole number", "null": "null", "object": "object"}


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a sentence: plain, ``code``, or the name of a type with an entry on the page (``link``)."""

    text: str
    look: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    kind: list[Part]
    required: bool
    about: list[Part]
    place: str = ""


@dataclass(frozen=True, slots=True)
class Type:
    name: str
    about: list[Part]
    fields: list[Field]


@dataclass(frozen=True, slots=True)
class Described:
    """An operation as a page shows it. ``answers`` are the good ones by status, ``failures`` the statuses of its problems."""

    name: str
    method: str
    path: str
    summary: str
    needs: list[Part]
    parameters: list[Field]
    body: list[Part]
    answers: list[tuple[str, list[Part]]]
    failures: list[tuple[str, str]]
    example: Example


@pages.get("")
def list_resources() -> str:
    return render_template("api/reference.html", resources=resources())


@pages.get("/<resource>")
def show_resource(resource: str) -> str:
    """Raises NotFound."""
    found = resources().get(resource)
    if found is None:
        raise NotFound("There is no such resource.")
    return render_template("api/resource.html", resource=resource, operations=found, types=types_of(found))


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    return openapi.document()


@lru_cache(maxsize=1)
def resources() -> dict[str, list[Described]]:
    """The operations of each resource, by its name in the address."""
    found: dict[str, list[Described]] = {tag["name"]: [] for tag in document()["tags"]}
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            found[operation["tags"][0]].append(_described(path, method, operation))
    return found


def types_of(operations: list[Described]) -> list[Type]:
    """The types that operations take and answer with, that of problems, and those within them."""
    kinds = [kind for each in operations for kind in (each.body, *(kind for _, kind in each.answers))]
    waiting = [*(part.text for kind in kinds for part in kind if part.look == "link"), openapi.PROBLEM]
    found: dict[str, Type] = {}
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found[name] = _type(name)
            waiting += [part.text for field in found[name].fields for part in field.kind if part.look == "link"]
    return list(found.values())


def _described(path: str, method: str, operation: dict[str, Any]) -> Described:
    body = operation.get("requestBody", {}).get("content", {}).get(JSON, {}).get("schema")
    answers, failures = [], []
    for status, answer in operation["responses"].items():
        content = answer.get("content", {})
        if JSON in content:
            answers.append((status, kind_of(content[JSON]["schema"])))
        elif content:
            failures.append((status, answer["description"]))
        else:
            answers.append((status, [Part("no body")]))
    return Described(
        operation["operationId"], method.upper(), path, operation["summary"], inline(operation["description"]),
        [_parameter(each) for each in operation["parameters"]], kind_of(body) if body else [], answers, failures,
        example_of(OPERATIONS[operation["operationId"]]),
    )  # fmt: skip


def _parameter(parameter: dict[str, Any]) -> Field:
    about = inline(parameter.get("description", ""))
    return Field(parameter["name"], kind_of(parameter["schema"]), parameter["required"], about, parameter["in"])


@lru_cache
def _type(name: str) -> Type:
    schema = document()["components"]["schemas"][name]
    needed = schema.get("required", ())
    fields = [
        Field(each, kind_of(kind), each in needed, inline(kind.get("description", "")))
        for each, kind in schema.get("properties", {}).items()
    ]
    return Type(name, inline(schema.get("description", "")), fields)


def inline(text: str) -> list[Part]:
    """A sentence in which some words stand between backticks."""
    return [Part(part, "code" if index % 2 else "") for index, part in enumerate(text.split("`")) if part]


def kind_of(schema: dict[str, Any]) -> list[Part]:
    """What a schema allows, in words."""
    if "$ref" in schema:
        return [Part(schema["$ref"].removeprefix(PREFIX), "link")]
    if "anyOf" in schema:
        return [part for index, each in enumerate(schema["anyOf"]) for part in ([Part(" or ")] if index else []) + kind_of(each)]
    if "enum" in schema:
        names = ["null" if each is None else str(each) for each in schema["enum"]]
        return [
            part
            for index, name in enumerate(names)
            for part in ([Part(", ")] if index else [Part("one of ")]) + [Part(name, "code")]
        ]
    if schema.get("type") == "array":
        return [Part("list of "), *kind_of(schema.get("items", {})), *_plain(_bounds(schema, "minItems", "maxItems", "entries"))]
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return [Part("object with any names, each "), *kind_of(schema["additionalProperties"])]
    return list(_plain(" ".join(_words(schema)).strip()))


def _plain(text: str) -> Iterator[Part]:
    if text:
        yield Part(text)


def _words(schema: dict[str, Any]) -> Iterator[str]:
    if schema.get("format") == "date-time":
        yield "time"
    elif schema.get("format") == "date":
        yield "date"
    else:
        yield SIMPLE.get(schema.get("type", ""), "any value")
    yield _bounds(schema, "minimum", "maximum", "")
    yield _bounds(schema, "minLength", "maxLength", "characters")


def _bounds(schema: dict[str, Any], least: str, most: str, unit: str) -> str:
    if most in schema and least in schema:
        return f" from {schema[least]} to {schema[most]} {unit}".rstrip()
    return f" of at most {schema[most]} {unit}".rstrip() if most in schema else ""
