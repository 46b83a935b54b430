"""What a worker imports before it forks."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from sqlalchemy.orm import configure_mappers

import channels
import jobs


def import_ahead() -> None:
    """Import what jobs import, the channels to shops included: once, and shared by all work horses."""
    for module in pkgutil.iter_modules(jobs.__path__, "jobs."):
        import_module(module.name)
    for kind in channels.CHANNELS:
        channels.channel_class(kind)
    configure_mappers()
