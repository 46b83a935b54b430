"""The later recordings with a real X-Cart 5.4 and 5.5, sent again to practice shops holding the same data.

As in test_replay.py and test_replay_api.py: status, the headers that matter and the shape of the JSON are the recorded ones."""

import ast
import re

import pytest

from practice_shop import PracticeShop
from tests.practice_shop import test_replay, test_replay_api, wire, wire_later_store

NOW = 1795697036
NO_PAGE = (
    "this shop's PHP prints nothing for its 500; the first recorded shop answered problem JSON, and so does the practice shop"
)
NOT_COVERED: dict[str, dict[str, str]] = {
    "addon": {},
    "api": {
        "orders newest change, page of 25 that holds unprintable orders": NO_PAGE,
        "the same, page of 5": NO_PAGE,
        "the same, one row a page, page 1": NO_PAGE,
        "order 75 by itself": NO_PAGE,
    },
}
"""What cannot be matched, and why, by generation and name of the exchange."""

OTHER_MODULES = frozenset({
    "demo", "mailchimpStoreId", "purchase_stats", "reviews", "tabs", "upsellingParentProducts", "upsellingProducts",
    "useAsSegmentCondition", "useCustomOG", "views_stats", "xcPendingBulkEdit", "ogMeta", "categoryAdded",
    "phone", "state",
})  # fmt: skip
"""Columns of modules that the first recorded 5.4 shop has and this one has not, and address fields that are switched off here."""

PARTS = {
    "addon": ("xcart-5.4-wire-later.jsonl", test_replay.compare),
    "api": ("xcart-5.5-wire-later.jsonl", test_replay_api.compare),
}


def replay(generation: str) -> tuple[wire.Replayed, list]:
    """Every exchange with the differences its repetition showed, and the practice shop's own failures."""
    name, compare = PARTS[generation]
    exchanges = wire.load(name)
    if generation == "addon":
        shop = PracticeShop(store=wire_later_store.build_addon(exchanges, NOW), key="RW-KEY", read_key="RO-KEY")
        shop.mode.canonical_host = "shop.example"
    else:
        store = wire_later_store.build_api(exchanges, NOW)
        shop = PracticeShop(store=store, key="RW-TOKEN", read_key="RO-TOKEN", generation="api")
    results = []
    with shop:
        shop.store.url = "http://shop.example"
        for exchange in exchanges:
            headers = dict(exchange.request_headers)
            if generation == "addon":
                headers["Host"] = "other.example" if "Host" in exchange.name else "shop.example"
            answer = wire.send(shop.port, exchange.method, exchange.target, headers, exchange.request_body)
            results.append((exchange, [each for each in compare(exchange, answer) if not _of_this_shop(each)]))
    return results, list(shop.failures)


def _of_this_shop(difference: str) -> bool:
    """Whether a difference comes from the modules and server settings of the recorded shop."""
    if difference.startswith("x-powered-by"):
        return True
    keys = re.search(r"keys missing \[\], not recorded (\[.*\])$", difference)
    return keys is not None and set(ast.literal_eval(keys[1])) <= OTHER_MODULES


@pytest.mark.parametrize("generation", ["addon", "api"])
def test_the_practice_shop_answers_as_the_recorded_shop_did(generation, capsys):
    results, failures = replay(generation)
    wire.check(f"{generation}, later", results, NOT_COVERED[generation], capsys)
    assert failures == []
