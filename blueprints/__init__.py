"""The pages: one package an area. A route loads, validates, calls a service and responds."""

from flask import Flask


def register(app: Flask) -> None:
    """Hook every area and the error pages into the application."""
