"""The assigned columns of a file of quantities, from what is kept to a form and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import request

from blueprints.column_choice import Choice, posted_columns
from errors import InvalidInput
from services.stock import file_columns, file_quantities
from services.stock.file_quantities import Quantity


def shown_choice(kept: Mapping[str, Any]) -> Choice:
    """``columns`` and ``options`` as they are kept, for the form."""
    options = Quantity().kept() | dict(kept.get("options") or {})
    words = "\n".join(f"{word} = {number}" for word, number in options.get("words", {}).items())
    chosen = {field.name: kept["columns"].get(field.name, "") for field in file_columns.FIELDS}
    return Choice(chosen, options | {"words_text": words})


def posted_choice() -> Choice:
    """What the form says."""
    form = request.form
    options: dict[str, Any] = {name: form.get(name, "").strip() for name in ("decimal", "pack", "buffer", "cap")}
    options |= {"pack": options["pack"] or "1", "words_text": form.get("words", "")}
    try:
        options["words"] = file_quantities.words_in(options["words_text"])
    except InvalidInput as wrong:
        return Choice(posted_columns(file_columns.FIELDS), options, wrong)
    return Choice(posted_columns(file_columns.FIELDS), options)
