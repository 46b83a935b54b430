"""The pages: one package an area. A route loads, validates, calls a service and responds."""

from flask import Flask

from blueprints import (
    access,
    accounts,
    activity,
    assets,
    errors,
    headers,
    incidents,
    limits,
    listings,
    numbers,
    operating,
    orders,
    privacy,
    reports,
    request_ids,
    sales_channels,
    settings,
    stock,
    text,
    times,
    users,
    words,
)
from config import Config


def guard(app: Flask, config: Config) -> None:
    """Count requests and look who asks, before anything else looks at them; and keep pages from what words may hide."""
    request_ids.init_app(app)
    text.init_app(app)
    numbers.init_app(app)
    headers.trust_proxies(app, config)
    limits.init_app(app, config)
    access.init_app(app)


def register(app: Flask) -> None:
    """Hook every area, the error pages and what templates use into the application."""
    for helper in (assets, errors, headers, times, words, accounts.words, incidents.words):
        helper.init_app(app)
    rooms = (
        settings.bp,
        *sales_channels.blueprints,
        *activity.blueprints,
        accounts.bp,
        accounts.own_bp,
        users.bp,
        privacy.bp,
        operating.bp,
    )
    for blueprint in rooms:
        app.register_blueprint(blueprint)
    for area in (orders, stock, listings, reports, incidents):
        for blueprint in area.blueprints:
            app.register_blueprint(blueprint)
