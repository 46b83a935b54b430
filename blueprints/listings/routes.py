"""The list of listings, one listing's links, and matching by SKU."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.downloads import download
from blueprints.files import csv_file, numbers
from blueprints.htmx import back_to, go_to, toast
from blueprints.labels import plural
from blueprints.listings.forms import ListingFilter
from blueprints.numbers import argument
from blueprints.stock.forms import typed_item
from blueprints.tables import table_of
from errors import AppError, InvalidInput
from jobs.schedule import start_due_runs
from services.common import whole_numbers
from services.common.paging import slice_of
from services.listings import manual_links, renames, views

bp = Blueprint("listings", __name__, url_prefix="/listings")
HEADER = ("integration", "listing", "sku", "name", "in_shop", "offers", "linked_to", "state", "note")


@bp.get("")
def list_listings() -> str:
    wanted = ListingFilter(request.args)
    chosen = wanted.chosen()
    return render_template(
        "listings/list.html", page=views.list_page(wanted.wanted(), request.args.get("page", "")), counts={} if wanted.narrowed_beside("state") else views.counts(),
        table=table_of("listings", "listings.list_listings", wanted), filters=chosen,
        link=lambda number: url_for(".list_listings", page=number, **chosen), back=request.full_path.rstrip("?"),
    )  # fmt: skip


@bp.get("/listings.csv")
@download
def download_listings() -> Response:
    wanted = ListingFilter(request.args).wanted()
    rows = (
        (row.integration, row.external_id, row.sku, row.name, row.quantity, row.offers,
         ", ".join(f"{units} x {sku}" if units > 1 else sku for sku, units, _, _ in row.links), row.state, row.note)
        for batch in views.iter_rows(wanted) for row in batch
    )  # fmt: skip
    return csv_file("listings.csv", HEADER, rows)


@bp.post("/selected")
def act_on_selected() -> Response | AnyResponse:
    ids, act = numbers(request.form.getlist("listing")), request.form.get("act")
    if not ids or act not in ("push", "do_not_push", "take_shop_stock"):
        toast("Select at least one listing first.", "warning")
    elif act == "take_shop_stock":
        changed, left = manual_links.take_shop_stock(ids, current_actor())
        toast(f"{plural(changed, 'stock item')} set to the shop's stock.")
        if left:
            toast(f"Not changed: {', '.join(left[:10])}{' …' if len(left) > 10 else ''}.", "warning")
    else:
        number = manual_links.set_do_not_push(ids, act == "do_not_push", current_actor())
        toast(f"{plural(number, 'listing')} {'will not be pushed' if act == 'do_not_push' else 'will be pushed'}.")
    start_due_runs()
    return go_to(back_to(url_for(".list_listings")))


@bp.get("/<int:listing_id>")
def show_listing(listing_id: int) -> str:
    return render_template("listings/listing.html", row=views.get_row(listing_id), wrong=None, typed=None)


@bp.post("/<int:listing_id>/links")
def link_listing(listing_id: int) -> tuple[str, int] | Response | AnyResponse:
    typed = list(zip(request.form.getlist("sku"), request.form.getlist("units"), strict=False))
    try:
        parts = [(sku.strip(), whole_numbers.read(units or "1", "units")) for sku, units in typed if sku.strip()]
        released = manual_links.link_listing(listing_id, parts, current_actor())
    except AppError as wrong:
        return render_template("listings/listing.html", row=views.get_row(listing_id), wrong=wrong, typed=typed), wrong.status
    start_due_runs()
    toast(("The listing is linked." if parts else "The listing is linked to nothing now.") + _released(released))
    return go_to(url_for(".show_listing", listing_id=listing_id))


@bp.route("/<int:listing_id>/stock-item", methods=["GET", "POST"])
def add_stock_item(listing_id: int) -> str | tuple[str, int] | Response | AnyResponse:
    """For a listing whose goods are no stock item yet: it takes its quantity from the new one."""
    row = views.get_row(listing_id)
    if request.method == "GET":
        return render_template("stock/add.html", wrong=None, typed={"sku": row.sku, "name": row.name}, listing=row)
    try:
        added = manual_links.add_item(listing_id, actor=current_actor(), **typed_item())
    except AppError as wrong:
        return render_template("stock/add.html", wrong=wrong, typed=request.form, listing=row), wrong.status
    start_due_runs()
    toast(f"The stock item was added, and the listing is linked to it.{_released(added.released)}")
    return go_to(url_for(".show_listing", listing_id=listing_id))


def _released(number: int) -> str:
    return f" {plural(number, 'order')} released." if number else ""


@bp.post("/<int:listing_id>/rename")
def settle_rename(listing_id: int) -> tuple[str, int] | Response | AnyResponse:
    goods = request.form.get("goods")
    try:
        if goods not in ("same", "other"):
            raise InvalidInput("Choose whether it is the same item or a different item.")
        settled = renames.settle(listing_id, goods == "same", current_actor())
    except AppError as wrong:
        return render_template("listings/listing.html", row=views.get_row(listing_id), wrong=wrong, typed=None), wrong.status
    start_due_runs()
    toast(settled.sentence())
    return go_to(url_for(".show_listing", listing_id=listing_id))


@bp.get("/match")
def show_match() -> str:
    matched = views.match_by_sku()
    return render_template(
        "listings/match.html", matched=matched, page=slice_of(matched.rows, argument("page") or 1, 100),
        link=lambda number: url_for(".show_match", page=number),
    )  # fmt: skip


@bp.post("/match")
def link_matched() -> Response | AnyResponse:
    number = views.link_matched([row[0] for row in views.match_by_sku().rows], current_actor())
    start_due_runs()
    toast(f"{plural(number, 'listing')} linked by SKU.")
    return go_to(url_for(".list_listings"))
