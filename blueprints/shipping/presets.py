"""The remembered columns of files: renamed, exported, imported and removed."""

from __future__ import annotations

import re

from flask import Blueprint, Response, make_response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.downloads import download
from blueprints.files import uploaded
from blueprints.htmx import go_to, toast
from errors import Conflict, InvalidInput
from services.presets import presets
from services.shipping import assignment
from services.shipping.file_presets import CHECKS, LABELS
from services.stock import file_columns

bp = Blueprint("file_presets", __name__, url_prefix="/settings/file-presets")


@bp.get("")
def list_presets(wrong: InvalidInput | Conflict | None = None) -> str:
    kinds = {file_columns.KIND: "Stock", assignment.KIND: "Tracking numbers"}
    return render_template("shipping/presets.html", presets=presets.list_presets(), wrong=wrong, labels=LABELS, kinds=kinds)


@bp.post("/<int:preset_id>")
def rename_preset(preset_id: int) -> tuple[str, int] | Response | AnyResponse:
    try:
        presets.rename(preset_id, request.form.get("name", ""), current_actor())
    except InvalidInput as wrong:
        return list_presets(wrong), 422
    toast("Saved.")
    return go_to(url_for(".list_presets"))


@bp.post("/<int:preset_id>/remove")
def remove_preset(preset_id: int) -> Response | AnyResponse:
    presets.remove(preset_id, current_actor())
    toast("The preset is removed.")
    return go_to(url_for(".list_presets"))


@bp.get("/<int:preset_id>/export.json")
@download
def export_preset(preset_id: int) -> Response:
    name = re.sub(r"[^A-Za-z0-9]+", "-", presets.get_preset(preset_id).name).strip("-") or "preset"
    response = make_response(presets.export(preset_id))
    response.mimetype = "application/json"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.json"'
    return response


@bp.post("")
def import_preset() -> tuple[str, int] | Response | AnyResponse:
    try:
        name = presets.import_preset(uploaded("file", presets.MOST_BYTES)[0], current_actor(), CHECKS).name
    except (InvalidInput, Conflict) as wrong:
        return list_presets(wrong), wrong.status
    toast(f"{name} is imported.")
    return go_to(url_for(".list_presets"))
