"""The database knows how large its tables are, after the daily clearing out."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from extensions import db
from jobs import retention
from tests.support.rows import make_integration, make_order


@pytest.mark.both_databases
def test_the_daily_job_counts_the_tables(app):
    integration = make_integration()
    for number in range(20):
        make_order(integration, str(number), [("SKU", 1)])
    retention.run()
    if db.engine.dialect.name == "sqlite":
        counted = "SELECT stat FROM sqlite_stat1 WHERE tbl = 'order' AND idx = 'ix_order_number'"
    else:
        counted = "SELECT reltuples::int FROM pg_class WHERE relname = 'order'"
    assert str(db.session.scalar(text(counted))).split()[0] == "20"
