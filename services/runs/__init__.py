"""Sync runs as rows: created, claimed under a lease, paused, finished, and shown.

Not for what a run does, nor for when one is due; both are in ``sync``."""
