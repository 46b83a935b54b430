"""The pages: one package an area. A route loads, validates, calls a service and responds."""

from flask import Flask

from blueprints import (
    activity,
    assets,
    errors,
    headers,
    listings,
    orders,
    reports,
    sales_channels,
    settings,
    stock,
    times,
    words,
)


def register(app: Flask) -> None:
    """Hook every area, the error pages and what templates use into the application."""
    for helper in (assets, errors, headers, times, words):
        helper.init_app(app)
    for blueprint in (settings.bp, *sales_channels.blueprints, *activity.blueprints):
        app.register_blueprint(blueprint)
    for area in (orders, stock, listings, reports):
        for blueprint in area.blueprints:
            app.register_blueprint(blueprint)
