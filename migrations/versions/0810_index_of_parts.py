"""the index of the parts of SKUs and names, which migrations/env.py puts in place at the newest revision

A revision of its own, so that this version does not start on a database without that index.

Revision ID: 0810
Revises: 0795
"""

from __future__ import annotations

revision = "0810"
down_revision = "0795"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """models/text_parts.py makes the index."""


def downgrade() -> None:
    """Older revisions have no such index: migrations/env.py removes it before it goes to one."""
