"""Style sheets, scripts and logos: from ``static/`` and from the packages of Bootstrap and htmx, never from a CDN.

Each has a version in its URL, made from its content. A browser caches it for a year, and a new version has a new
name. Files are compressed once and served from memory.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from flask import Blueprint, Flask, Response, abort, current_app, request, url_for

from config import VERSION

bp = Blueprint("assets", __name__)

PACKAGED = {
    "bootstrap.css": ("flask_bootstrap", "static/bootstrap5/css/bootstrap.min.css"),
    "htmx.js": ("js_lib_htmx", "static/htmx/htmx.min.js"),
}
OWN_KINDS = {".css", ".js", ".svg"}
YEAR = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Asset:
    """``packed`` is the content compressed with gzip."""

    content: bytes
    packed: bytes
    version: str
    mimetype: str


def init_app(app: Flask) -> None:
    app.extensions["cartlink.assets"] = find_assets(Path(app.static_folder or ""))
    app.register_blueprint(bp)
    app.jinja_env.globals.update(asset_url=asset_url, version=VERSION)


def find_assets(static: Path) -> dict[str, Path]:
    """Name in the URL -> file."""
    own = {path.relative_to(static).as_posix(): path for path in static.rglob("*") if path.suffix in OWN_KINDS}
    packaged = {name: Path(str(files(package).joinpath(place))) for name, (package, place) in PACKAGED.items()}
    return {**own, **packaged}


def asset_url(name: str) -> str:
    """The URL of a file in ``static/`` or in a package. Raises KeyError if there is no such file."""
    return url_for("assets.show_asset", version=_asset(name).version, name=name)


@bp.get("/assets/<version>/<path:name>")
def show_asset(version: str, name: str) -> Response:
    if name not in current_app.extensions["cartlink.assets"]:
        abort(404)
    asset = _asset(name)
    response = Response(mimetype=asset.mimetype)
    response.vary.add("Accept-Encoding")
    if "gzip" in request.accept_encodings:
        response.set_data(asset.packed)
        response.content_encoding = "gzip"
    else:
        response.set_data(asset.content)
    _let_cache(response, version == asset.version)
    return response


def _let_cache(response: Response, up_to_date: bool) -> None:
    """A page from an older version gets the present file, which the browser must not cache under the old name."""
    if up_to_date:
        response.cache_control.public = True
        response.cache_control.max_age = YEAR
        response.cache_control.immutable = True
    else:
        response.cache_control.no_cache = True


def _asset(name: str) -> Asset:
    path = current_app.extensions["cartlink.assets"][name]
    return _read(path, path.stat().st_mtime_ns)


@cache
def _read(path: Path, changed_ns: int) -> Asset:
    content = path.read_bytes()
    mimetype = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Asset(content, gzip.compress(content, 9, mtime=0), hashlib.sha256(content).hexdigest()[:12], mimetype)
