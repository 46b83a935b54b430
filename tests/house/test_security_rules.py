"""bandit finds nothing that is not explained here, and nothing is explained that is not there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest

from tests.support.processes import ROOT

LOOKED_AT = (
    "app.py", "worker.py", "config.py", "logs.py", "errors.py", "extensions.py", "gunicorn.conf.py", "blueprints", "channels", "cli", "jobs",
    "local_run", "migrations", "models", "services", "tools", "bench", "practice_shop",
)  # fmt: skip
EXPLAINED = {
    ("bench/lines/growth_products.py", "B311"): "products drawn from a seed",
    ("bench/lines/stock_push.py", "B311"): "quantities drawn from a seed",
    ("bench/lines/worker_memory.py", "B311"): "words drawn from a seed",
    ("bench/place.py", "B105"): "the SECRET_KEY of an installation that lives for a minute",
    ("blueprints/incidents/webhook.py", "B107"): "secret='' is a page that shows none",
    ("blueprints/sales_channels/reauthorise.py", "B107"): "token='' is an address without a token, no password",
    ("channels/session.py", "B311"): "jitter between two tries",
    ("local_run/__main__.py", "B404"): "make run starts programs",
    ("local_run/__main__.py", "B603"): "this very Python with -m local_run.migrate",
    ("local_run/part.py", "B404"): "make run starts programs",
    ("local_run/part.py", "B603"): "a line of our own Procfile.dev",
    ("local_run/part.py", "B606"): "the same, in this process's place",
    ("local_run/queue.py", "B606"): "the embedded server, by its path in the wheel",
    ("practice_shop/addon_entities.py", "B105"): "fields that X-Cart prints empty",
    ("practice_shop/addon_query.py", "B311"): "the shop's order of rows is no order",
    ("practice_shop/addon_query.py", "B608"): "a complaint of MySQL's, quoted; there is no SQL here",
    ("practice_shop/generate.py", "B311"): "a believable shop drawn from a seed",
    ("practice_shop/seller.py", "B311"): "the same",
    ("practice_shop/shop.py", "B311"): "the same",
    ("practice_shop/state.py", "B301"): "its own file, in a folder for its owner alone",
    ("practice_shop/state.py", "B403"): "the same",
    ("practice_shop/store.py", "B301"): "its own store, copied in memory",
    ("practice_shop/store.py", "B403"): "the same",
    ("services/clashes.py", "B311"): "jitter between two tries",
    ("services/outbox.py", "B106"): "token='' ends a claim",
    ("services/runs.py", "B106"): "lease_token='' ends a lease",
    ("services/shipment_files.py", "B106"): "the same, of a file",
    ("services/sync.py", "B311"): "jitter between two tries",
    ("services/write_backs.py", "B311"): "the same",
}


@pytest.fixture(scope="module")
def found() -> Counter[tuple[str, str]]:
    command = [sys.executable, "-m", "bandit", "--quiet", "--format", "json", "--recursive", *LOOKED_AT]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
    answer = json.loads(done.stdout)
    assert answer["errors"] == []
    return Counter((result["filename"].removeprefix("./"), result["test_id"]) for result in answer["results"])


def test_everything_that_is_found_is_explained(found):
    assert sorted(set(found) - set(EXPLAINED)) == []


def test_everything_that_is_explained_is_there(found):
    assert sorted(set(EXPLAINED) - set(found)) == []


def test_nothing_is_silenced_in_the_code():
    words = ("no" + "sec", "no" + "qa", "type: " + "ignore")
    silenced = [
        path.relative_to(ROOT).as_posix()
        for name in (*LOOKED_AT, "tests")
        for path in ([ROOT / name] if name.endswith(".py") else (ROOT / name).rglob("*.py"))
        if any(word in path.read_text(encoding="utf-8") for word in words)
    ]
    assert silenced == []
