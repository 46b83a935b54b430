"""A fixture for practice_shop/proxy.py: ``proxied(shop, Rule(method="PUT", status=500, times=1))``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from practice_shop import PracticeShop
from practice_shop.proxy import Proxy, Rule

Proxied = Callable[..., Proxy]


@pytest.fixture
def proxied() -> Iterator[Proxied]:
    """``proxied(shop, *rules)`` starts a proxy in front of a practice shop (or an address). Connect to its ``url``."""
    with ExitStack() as stack:

        def start(shop: PracticeShop | str, *rules: Rule) -> Proxy:
            return stack.enter_context(Proxy(shop if isinstance(shop, str) else shop.url, *rules))

        yield start
