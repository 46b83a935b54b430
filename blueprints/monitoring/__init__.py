"""Incidents: ongoing problems, and what a person can do about them."""

from blueprints.monitoring import incidents, labels

blueprints = [incidents.bp]

__all__ = ["blueprints", "labels"]
