"""What a request says, decoded strictly into msgspec structs, with every fault of it and where it is.

msgspec alone reports the first fault only, takes the last of several equal names, and lets numbers and characters through that no column
can hold. So the JSON is read by the standard library, which says what was repeated, and checked field by field."""

from __future__ import annotations

import functools
import json
import operator
import re
import types
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta, Struct, UnsetType

from api.problems import Fault, Problem

T = TypeVar("T", bound=Struct)
LARGEST = 2**63 - 1
DEEPEST = 20
UNUSABLE = re.compile("[\x00\ud800-\udfff]")
WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,18})", re.ASCII)
"""msgspec takes 5.0 and 1e1 for whole numbers too."""
WRONG_TYPE = re.compile(r"Expected `[^`]+`, got `[^`]+`")
MOST_FAULTS = 100
WRITTEN: dict[Any, str] = {
    datetime: "Write a time with its zone, for example 2026-11-26T20:24:16Z (in an address, + is %2B).",
    date: "Write a day, for example 2026-11-26.",
}


class _Object(dict):
    """A JSON object; ``repeated`` are the names it has more than once."""

    repeated: tuple[str, ...] = ()


class _Number:
    """A number that no field takes: one with decimals, or of more than 64 bits."""

    def __init__(self, text: str):
        self.text = text


def decode_body(content: bytes, kind: type[T]) -> T:
    """The struct in a JSON body. Raises Problem 400 with every fault."""
    value = _load(content)
    faults: list[Fault] = []
    _check_values(value, "", faults, 0)
    known = {fault.pointer for fault in faults}
    typed: list[Fault] = []
    _check(value, kind, "", typed)
    faults += [fault for fault in typed if fault.pointer not in known]
    if faults:
        raise _invalid(faults)
    return msgspec.convert(value, kind)


def decode_query(query: str, kind: type[T]) -> T:
    """The struct in a query string; times are in UTC. Raises Problem 400 with every fault."""
    hints, faults = _hints(kind), []
    given: dict[str, Any] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise _invalid(
            [Fault("invalid_text", "The query is not valid UTF-8, or has too many parameters.", parameter="")]
        ) from None
    for name, text in pairs:
        if name not in hints:
            faults.append(Fault("unknown_parameter", "There is no such parameter.", parameter=name[:100]))
        elif name in given:
            faults.append(Fault("repeated", "The parameter is given more than once.", parameter=name))
        elif UNUSABLE.search(text):
            faults.append(Fault("invalid_text", "The text contains characters that cannot be used.", parameter=name))
        else:
            given[name] = text
            try:
                given[name] = _parameter(text, hints[name])
            except (msgspec.ValidationError, OverflowError) as error:
                faults.append(Fault("invalid_value", _sentence(error, _stripped(_without_none(hints[name]))[0]), parameter=name))
    faults += [
        Fault("required", "The parameter is missing.", parameter=field.encode_name)
        for field in msgspec.structs.fields(kind)
        if field.required and field.encode_name not in given
    ]
    if faults:
        raise _invalid(faults)
    return kind(**given)


def _parameter(text: str, hint: Any) -> Any:
    """A parameter's value. A parameter is left out, never null, and only numbers and booleans are written without quotes in JSON."""
    hint = _without_none(hint)
    if _stripped(hint)[0] is int and not WHOLE.fullmatch(text):
        raise msgspec.ValidationError("Expected `int`, got `str`")
    value = msgspec.convert(text, hint, strict=_stripped(hint)[0] not in (int, bool))
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _invalid(faults: Sequence[Fault]) -> Problem:
    return Problem(400, "invalid_request", "The request has faults; errors names each.", errors=faults[:MOST_FAULTS])


def refuse_body(faults: Sequence[Fault]) -> Problem:
    """The problem of what the types, and so the document, cannot say: for a view to raise."""
    return Problem(422, "invalid_input", "That cannot be done as it is; errors says why.", errors=faults[:MOST_FAULTS])


def refuse_parameter(name: str, detail: str, code: str = "invalid_value") -> Problem:
    """The problem of one parameter, for a view to raise."""
    return _invalid([Fault(code, detail, parameter=name)])


def _load(content: bytes) -> Any:
    try:
        return json.loads(
            content.decode(), object_pairs_hook=_object, parse_constant=_Number, parse_float=_decimal, parse_int=_whole
        )
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise Problem(400, "malformed_json", f"The body is not valid JSON in UTF-8{where}.") from None


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        found.repeated = tuple(sorted({name for name in names if names.count(name) > 1}))
    return found


def _whole(text: str) -> int | _Number:
    number = int(text) if len(text) <= 20 else LARGEST + 1
    return number if -LARGEST <= number <= LARGEST else _Number(text)


def _decimal(text: str) -> int | _Number:
    """``3.0`` and ``3e0`` are the whole number 3 (JSON Schema 2020-12, 6.1.1), which the document calls an integer."""
    number = Decimal(text)
    if number == 0:
        return 0
    if not 0 <= number.adjusted() < 20 or number != number.to_integral_value():
        return _Number(text)
    return _whole(str(int(number)))


def _check_values(value: Any, pointer: str, faults: list[Fault], depth: int) -> None:
    """What no field may hold, at any depth."""
    if len(faults) > MOST_FAULTS:
        return
    if depth > DEEPEST:
        faults.append(Fault("too_deep", "The body is nested too deeply.", pointer))
    elif isinstance(value, _Number):
        faults.append(Fault("invalid_number", "Use a whole number of at most 64 bits, or text for an amount.", pointer))
    elif isinstance(value, str):
        if UNUSABLE.search(value):
            faults.append(Fault("invalid_text", "The text contains characters that cannot be used.", pointer))
    elif isinstance(value, _Object):
        faults += [Fault("repeated", "The name is given more than once.", _below(pointer, name)) for name in value.repeated]
        for name, each in value.items():
            if UNUSABLE.search(name):
                faults.append(Fault("invalid_text", "A name contains characters that cannot be used.", pointer))
            _check_values(each, _below(pointer, name), faults, depth + 1)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            _check_values(each, f"{pointer}/{index}", faults, depth + 1)


def _check(value: Any, hint: Any, pointer: str, faults: list[Fault]) -> None:
    """Every fault of a value against the type it should have."""
    if len(faults) > MOST_FAULTS:
        return
    base, meta = _stripped(hint)
    inner = _only_option(base)
    if inner is not None and value is not None:
        _check(value, inner, pointer, faults)
    elif isinstance(base, type) and issubclass(base, Struct) and isinstance(value, dict):
        _check_struct(value, base, pointer, faults)
    elif (get_origin(base), type(value)) in ((list, list), (dict, _Object)):
        _check_entries(value, get_args(base), meta, pointer, faults)
    else:
        try:
            msgspec.convert(value, hint)
        except UnicodeError:
            faults.append(Fault("invalid_text", "The text contains characters that cannot be used.", pointer))
        except msgspec.ValidationError as error:
            sentence = _sentence(error, base)
            faults.append(Fault("invalid_type" if WRONG_TYPE.match(sentence) else "invalid_value", sentence, pointer))


def _check_entries(value: Any, hints: tuple[Any, ...], meta: Meta | None, pointer: str, faults: list[Fault]) -> None:
    """The number of entries of a list or an object, then each entry."""
    least, most = (meta.min_length or 0, meta.max_length or LARGEST) if meta else (0, LARGEST)
    if not least <= len(value) <= most:
        faults.append(Fault("invalid_length", f"Give {least} to {most} entries, not {len(value)}.", pointer))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            _check(each, hints[0], f"{pointer}/{index}", faults)
    else:
        for name, each in value.items():
            _check(name, hints[0], _below(pointer, name), faults)
            _check(each, hints[1], _below(pointer, name), faults)


def _check_struct(value: dict[str, Any], kind: type[Struct], pointer: str, faults: list[Fault]) -> None:
    hints = _hints(kind)
    for field in msgspec.structs.fields(kind):
        if field.encode_name in value:
            _check(value[field.encode_name], hints[field.encode_name], _below(pointer, field.encode_name), faults)
        elif field.required:
            faults.append(Fault("required", "The field is missing.", _below(pointer, field.encode_name)))
    faults += [Fault("unknown_field", "There is no such field.", _below(pointer, name)) for name in value if name not in hints]


@lru_cache
def _hints(kind: type[Struct]) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _stripped(hint: Any) -> tuple[Any, Meta | None]:
    if get_origin(hint) is not Annotated:
        return hint, None
    base, *more = get_args(hint)
    return base, next((each for each in more if isinstance(each, Meta)), None)


def _only_option(base: Any) -> Any:
    """T of ``T | None`` or ``T | UnsetType``."""
    if get_origin(base) not in (Union, types.UnionType):
        return None
    options = [each for each in get_args(base) if each not in (types.NoneType, UnsetType)]
    return options[0] if len(options) == 1 else None


def _without_none(hint: Any) -> Any:
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    options = tuple(each for each in get_args(hint) if each is not types.NoneType)
    return options[0] if len(options) == 1 else functools.reduce(operator.or_, options)


def _below(pointer: str, name: str) -> str:
    name = name[:100].encode("utf-8", "replace").decode()
    return f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"


def _sentence(error: Exception, base: Any) -> str:
    """What is wrong, and what a value of this type may be where there are few, or a way to write it."""
    said = f"{str(error).partition(' - at ')[0]}."
    if get_origin(base) is Literal:
        return f"{said} Use one of: {', '.join(json.dumps(each) for each in get_args(base))}."
    return f"{said} {WRITTEN[base]}" if base in WRITTEN else said
