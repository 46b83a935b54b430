"""The pages: one package an area. A route loads, validates, calls a service and responds."""

from flask import Flask

from blueprints import activity, assets, errors, headers, sales_channels, settings, times, words


def register(app: Flask) -> None:
    """Hook every area, the error pages and what templates use into the application."""
    for helper in (assets, errors, headers, times, words):
        helper.init_app(app)
    for blueprint in (settings.bp, *sales_channels.blueprints, activity.bp):
        app.register_blueprint(blueprint)
