"""The pages: one package an area, named as in services/. A route loads, validates, calls a service and responds.

The modules beside the packages are about requests and responses in general."""

from flask import Flask, request

from blueprints import (
    access,
    accounts,
    areas,
    assets,
    clean_input,
    errors,
    events,
    feeds,
    formats,
    guide,
    headers,
    hosts,
    in_progress,
    integrations,
    labels,
    limits,
    listings,
    monitoring,
    notify,
    numbers,
    onboarding,
    operations,
    orders,
    redirects,
    reports,
    request_ids,
    runs,
    search,
    searches,
    security,
    settings,
    shipping,
    stock,
    text,
    today,
    unreadable,
)
from config import Config
from extensions import act_as, limit_reading

AREAS = (
    today, integrations, onboarding, orders, shipping, stock, listings, feeds, reports, runs, security, monitoring, notify, events, accounts, operations,
)  # fmt: skip
READ_SECONDS = 10
"""For each SQL statement of a request that only reads."""


def guard(app: Flask, config: Config) -> None:
    """What every request passes through before its route: host, input, proxies, limits and access."""
    in_progress.init_app(app)
    request_ids.init_app(app)
    hosts.init_app(app, config)
    app.before_request(begin_reading)
    app.teardown_request(end_reading)
    clean_input.init_app(app)
    text.init_app(app)
    numbers.init_app(app)
    unreadable.init_app(app)
    headers.trust_proxies(app, config)
    limits.init_app(app, config)
    access.init_app(app)
    clean_input.init_fields(app)
    searches.init_app(app)


def begin_reading() -> None:
    """Limit how long a request that reads may take, however many rows it searches."""
    act_as("", "page")
    limit_reading(READ_SECONDS if request.method in ("GET", "HEAD") else None)


def end_reading(error: BaseException | None) -> None:
    limit_reading(None)
    act_as("", "")


def register(app: Flask) -> None:
    """Register the blueprints of every area, the error pages, and what templates use."""
    for helper in (areas, assets, errors, headers, formats, labels, accounts.labels, monitoring.labels, notify.labels, redirects):
        helper.init_app(app)
    for beside in (settings, search, guide):
        app.register_blueprint(beside.bp)
    for area in AREAS:
        for blueprint in area.blueprints:
            app.register_blueprint(blueprint)
