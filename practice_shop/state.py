"""Keeps a shop in a file, so that it has the same orders, stock and numbers when it is started again."""

import os
import pickle
import threading
from pathlib import Path

from .store import Store

NOT_KEPT = ("lock", "_clock", "url", "_backup")
EVERY = 2.0
"""Seconds between two saves. A shop that is killed loses at most what happened since the last one."""


def load_store(path: Path, made_from: tuple) -> Store | None:
    """The shop in a file; None where there is none, or it was made from other options (`made_from`) than these.

    Only we write this file, so it is safe to read it as a pickle."""
    try:
        kept_from, values = pickle.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, pickle.UnpicklingError, EOFError, AttributeError, ImportError, ValueError, TypeError):
        return None
    if kept_from != made_from:
        return None
    store = Store()
    vars(store).update(values)
    return store


def save_store(store: Store, path: Path, made_from: tuple) -> None:
    """Write the shop to a file that only its owner reads, whole or not at all."""
    with store.lock:
        values = {name: value for name, value in vars(store).items() if name not in NOT_KEPT}
        kept = pickle.dumps((made_from, values), pickle.HIGHEST_PROTOCOL)
    half = path.with_suffix(".half")
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(kept)
    half.replace(path)


def keep_saved(store: Store, path: Path, made_from: tuple, stop: threading.Event) -> None:
    """Save whenever something has changed, until it is stopped, and once more then."""
    seen = None
    while True:
        now = (store.catalogue_version, store.orders_version, len(store.mails))
        if now != seen:
            save_store(store, path, made_from)
            seen = now
        if stop.wait(EVERY):
            save_store(store, path, made_from)
            return
