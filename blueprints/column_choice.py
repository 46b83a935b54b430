"""The page on which a person says which column of a file holds what, with a live sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, make_response, render_template
from htmx_flask import request

from blueprints.htmx import fragment, wants_fragment
from errors import InvalidInput
from services.common.csv_files import NUMBER
from services.presets import columns as column_choice
from services.presets.columns import Field

ROWS = 10
Sample = Callable[[Mapping[str, str], Mapping[str, Any]], list[dict[str, str]]]


@dataclass(frozen=True, slots=True)
class Choice:
    """``chosen`` are the titles of the columns by field, ``options`` how their values are read, as a person types them; ``wrong`` is what
    is wrong with the options."""

    chosen: dict[str, str]
    options: dict[str, Any]
    wrong: InvalidInput | None = None


def is_preview() -> bool:
    """Whether only the sample is to be shown again: as soon as something was changed, or by the button without JavaScript."""
    return request.method == "GET" or wants_fragment("sample") or request.form.get("act") == "show"


def posted_columns(fields: Sequence[Field]) -> dict[str, str]:
    """What the form assigns to each field."""
    return {field.name: request.form.get(f"column-{field.name}", "") for field in fields}


def column_page(
    template: str, headings: Sequence[str], fields: Sequence[Field], choice: Choice, sample: Sample, **shown: object
) -> Response:  # fmt: skip
    """The page, or its sample alone. 422 where the form was sent and cannot be used."""
    wrong, rows = choice.wrong, []
    if wrong is None:
        try:
            rows = sample(choice.chosen, choice.options)
        except InvalidInput as trouble:
            wrong = trouble
    about: dict[str, Any] = {
        "fields": fields,
        "titles": column_choice.titles(headings),
        "choice": choice,
        "wrong": wrong,
        "rows": rows,
        "like_data": [title for title in headings if NUMBER.match(title.strip())],
        **shown,
    }
    if wants_fragment("sample"):
        return fragment("files/_sample.html", **about)
    return make_response(render_template(template, **about), 200 if wrong is None or is_preview() else 422)
