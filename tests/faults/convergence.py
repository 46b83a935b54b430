"""Convergence: shops that answer again show what the books offer, without a person.

Once a shop answers again, back-off falls to one interval, and two intervals later every pushable listing shows what the books
offer, with no human action. What is exempt has a reason that a page shows. Called inside an application context."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import select

from extensions import db
from models import FlowKind, Integration, Listing, WriteBack
from services.listings import stock_push
from tests.faults import checks
from tests.faults.checks import Site

ASKED_FOR = ("an approval waits",)
"""Reasons that a schedule brings about on purpose, and a person answers."""

MOST_EXEMPT = 5
"""Percent of the listings that may be exempt for other reasons."""


class Exempt(NamedTuple):
    """A listing that does not have to show what the books offer, and why."""

    site: str
    sku: str
    reason: str


def exempt(site: Site) -> list[Exempt]:
    """The listings of a shop that are exempt, each with its reason. A listing that is gone, or sells by its variants, offers nothing."""
    integration = checks._present(site)
    found = []
    for listing in _listings(site):
        reason = _reason(listing, integration)
        if reason:
            found.append(Exempt(site.name, listing.sku, reason))
    return found


def found(sites: list[Site]) -> list[str]:
    """What breaks convergence: listings with another quantity, too many exempt ones, and what waits for a person without need."""
    db.session.rollback()
    problems: list[str] = []
    listings, others = 0, []
    for site in sites:
        integration = checks._present(site)
        listings += len(_listings(site))
        others += [each for each in exempt(site) if each.reason not in ASKED_FOR]
        problems += [each.words for each in _behind(site, integration)]
        problems += [*_waits_for_a_person(site, integration), *health(integration)]
    if len(others) * 100 > MOST_EXEMPT * listings:
        problems.append(f"{len(others)} of {listings} listings are exempt: {'; '.join(map(' '.join, others))}")
    db.session.rollback()
    return problems


def unsent(sites: list[Site]) -> list[str]:
    """Listings that Cartlink knows to be behind: those that are due, or whose last write failed. No reading is needed to find them,
    so they may not wait for the daily one."""
    db.session.rollback()
    problems = [
        each.words
        for site in sites
        for each in _behind(site, checks._present(site))
        if each.listing.stale or each.listing.push_state
    ]
    db.session.rollback()
    return problems


def _listings(site: Site) -> list[Listing]:
    query = select(Listing).where(Listing.shop_id == site.shop_id, Listing.gone_at.is_(None), Listing.replaced.is_(False))
    return [each for each in db.session.scalars(query) if checks.amount_there(site.store, each.external_id) is not None]


def _reason(listing: Listing, integration: Integration | None) -> str:
    """Why a listing is exempt; empty if it has to show what the books offer."""
    if integration is None:
        return "the integration is removed"
    if not integration.enabled:
        return "the integration is disabled"
    if integration.paused_at is not None:
        return "the integration is paused"
    if integration.health == "needs_reauthorising" or integration.writes_refused:
        return "the key is not accepted for writing"
    if not (listing.counted and listing.own_stock):
        return "the shop does not count it"
    if listing.do_not_push:
        return "a person has switched it off"
    if not listing.links:
        return "it is linked to no stock item"
    if integration.waiting_run_id is not None:
        return "an approval waits"
    return ""


class Behind(NamedTuple):
    """A listing that does not show what it should, and the words for that."""

    listing: Listing
    words: str


def _behind(site: Site, integration: Integration | None) -> Iterator[Behind]:
    for listing in _listings(site):
        if _reason(listing, integration):
            continue
        there, wanted = checks.amount_there(site.store, listing.external_id), stock_push.wanted_quantity(listing)
        if there != wanted:
            yield Behind(
                listing,
                f"{site.name}: {listing.sku} has not converged: {there} there, the books offer {wanted} "
                f"(stale: {listing.stale}, error: {listing.push_error!r})",
            )
        elif listing.push_error:
            yield Behind(
                listing, f"{site.name}: {listing.sku} still shows an error, and the shop has what it should: {listing.push_error}"
            )


def _waits_for_a_person(site: Site, integration: Integration | None) -> Iterator[str]:
    """What Cartlink can do itself now that the shop answers must not wait for a person."""
    if integration is None:
        return
    if integration.enabled and not integration.active:
        yield f"{site.name}: the shop answers and the key works, and the integration waits: {integration.health} {integration.health_message}"
    if integration.writes_refused:
        yield f"{site.name}: the key may write, and Cartlink takes it for read-only"
    rows = select(WriteBack).where(WriteBack.shop_id == site.shop_id, WriteBack.state == "failed")
    for row in db.session.scalars(rows.where(WriteBack.error_code.not_in(checks.ASKS_A_PERSON))):
        yield f"{site.name}: the write-back of order {row.order.external_id} waits for a person: {row.error_code} {row.error}"


def health(integration: Integration | None) -> Iterator[str]:
    """Health says what is true: nothing is wrong with a shop that answers and whose key works. The daily reconciliation may wait
    for its next day."""
    if integration is None or not integration.enabled:
        return
    failing = {flow.kind for flow in integration.flows.values() if flow.failing} - {FlowKind.RECONCILIATION}
    if integration.health != "connected" or failing:
        yield (
            f"{integration.name}: the shop answers and the key works, and health says {integration.health}, "
            f"failing: {sorted(failing)}, {integration.health_message}"
        )
