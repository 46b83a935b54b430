"""bandit finds nothing that is not explained here, and nothing is explained that is not there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest

from tests.support.processes import ROOT

LOOKED_AT = (
    "app.py", "worker.py", "config.py", "logs.py", "errors.py", "extensions.py", "gunicorn.conf.py", "page_worker.py", "api", "blueprints", "channels", "cli", "jobs",
    "local_run", "migrations", "models", "services", "tools", "bench", "practice_shop",
)  # fmt: skip
EXPLAINED = {
    ("api/examples.py", "B105"): "an example in the reference",
    ("bench/large/fill.py", "B608"): "statements from constant parts",
    ("bench/lines/events.py", "B404"): "the bench starts a receiver",
    ("bench/lines/events.py", "B603"): "this very Python, and a program in the file",
    ("bench/lines/feed.py", "B311"): "quantities drawn from a seed",
    ("bench/lines/growth_products.py", "B311"): "products drawn from a seed",
    ("bench/lines/stock_push.py", "B311"): "quantities drawn from a seed",
    ("bench/lines/worker_memory.py", "B311"): "words drawn from a seed",
    ("bench/place.py", "B105"): "the SECRET_KEY of an installation that lives for a minute",
    ("blueprints/labels.py", "B105"): "what a way to sign in is called, no password",
    ("blueprints/onboarding/reauthorise.py", "B107"): "token='' is an address without a token, no password",
    ("channels/session.py", "B311"): "jitter between two tries",
    ("local_run/__main__.py", "B404"): "make run starts programs",
    ("local_run/__main__.py", "B603"): "this very Python with -m local_run.migrate",
    ("local_run/part.py", "B404"): "make run starts programs",
    ("local_run/part.py", "B603"): "a line of our own Procfile.dev",
    ("local_run/part.py", "B606"): "the same, in this process's place",
    ("local_run/queue.py", "B606"): "the embedded server, by its path in the wheel",
    ("practice_shop/addon_entities.py", "B105"): "fields that X-Cart prints empty",
    ("practice_shop/addon_query.py", "B311"): "the shop's order of rows is no order",
    ("migrations/versions/0350_orders_whose_ids_are_used_again.py", "B608"): "names of tables and columns from its own list",
    ("migrations/versions/0400_flows.py", "B608"): "names of columns from its own list",
    ("migrations/versions/0410_allocations.py", "B608"): "the same",
    ("migrations/versions/0411_daily_reconciliations.py", "B608"): "the same",
    ("migrations/versions/0480_search_and_daily_sales.py", "B608"): "the name of a setting",
    ("migrations/versions/0571_incidents_of_event_endpoints.py", "B608"): "the name of a table from its own list",
    ("migrations/versions/0611_deliveries_of_exports.py", "B608"): "the same",
    ("practice_shop/api_query.py", "B311"): "the shop's order of rows is no order",
    ("practice_shop/addon_query.py", "B608"): "a complaint of MySQL's, quoted; there is no SQL here",
    ("practice_shop/generate.py", "B311"): "a believable shop drawn from a seed",
    ("practice_shop/seller.py", "B311"): "the same",
    ("practice_shop/shop.py", "B311"): "the same",
    ("practice_shop/state.py", "B301"): "its own file, in a folder for its owner alone",
    ("practice_shop/state.py", "B403"): "the same",
    ("practice_shop/store.py", "B301"): "its own store, copied in memory",
    ("practice_shop/store.py", "B403"): "the same",
    ("services/common/backoff.py", "B311"): "jitter between two tries",
    ("services/feeds/suppliers.py", "B105"): "a claim that ends",
    ("services/onboarding/feed_setup.py", "B105"): "no secret was entered yet",
    ("services/security/trail.py", "B105"): "how an API token is called, not one",
    ("services/events/endpoints.py", "B107"): "secret='' asks for a new one",
    ("services/common/deadlocks.py", "B311"): "the same",
}
TYPES = (
    "._get_current_object()  # type: " + "ignore[attr-defined]",
    "app.wsgi_app = proxied  # type: " + "ignore[method-assign]",
)
"""Where mypy is silenced: it knows neither what is behind Flask's proxies nor that a method may be replaced."""


@pytest.fixture(scope="module")
def found() -> Counter[tuple[str, str]]:
    command = [sys.executable, "-m", "bandit", "--quiet", "--format", "json", "--recursive", *LOOKED_AT]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
    answer = json.loads(done.stdout)
    assert answer["errors"] == []
    return Counter((result["filename"].removeprefix("./"), result["test_id"]) for result in answer["results"])


@pytest.mark.deep
def test_everything_that_is_found_is_explained(found):
    assert sorted(set(found) - set(EXPLAINED)) == []


@pytest.mark.deep
def test_everything_that_is_explained_is_there(found):
    assert sorted(set(EXPLAINED) - set(found)) == []


def without_types(text: str) -> str:
    for explained in TYPES:
        text = text.replace(explained, "")
    return text


def test_nothing_is_silenced_in_the_code():
    words = ("no" + "sec", "no" + "qa", "type: " + "ignore")
    silenced = [
        path.relative_to(ROOT).as_posix()
        for name in (*LOOKED_AT, "tests")
        for path in ([ROOT / name] if name.endswith(".py") else (ROOT / name).rglob("*.py"))
        if any(word in without_types(path.read_text(encoding="utf-8")) for word in words)
    ]
    assert silenced == []
