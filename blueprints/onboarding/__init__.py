"""Connecting a shop: the steps of ‘Add sales channel’, and ‘Reauthorise’."""

from blueprints.onboarding import reauthorise, wizard

blueprints = [wizard.bp, reauthorise.bp]

__all__ = ["blueprints"]
