"""Notifications: the bell, which of them a person gets, and how they leave this installation."""

from blueprints.notify import installation, labels, notifications, preferences

blueprints = [notifications.bp, preferences.bp, installation.bp]

__all__ = ["blueprints", "labels"]
