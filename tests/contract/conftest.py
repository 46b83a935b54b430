"""The shops on which the contract suite is run: both generations of the practice shop, or one real shop.

``make contract SHOP_URL=… SHOP_KEY_FILE=…`` asks a real shop, reading only; ``WRITE=1`` adds stock and status round trips on
one product and one order, which are named first and restored after. ``ALLOW_PRIVATE=host:port`` permits a shop at home.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from channels.base import Credentials, Limits, Order
from channels.xcart.channel import XCart
from errors import AddressRefused, AppError
from practice_shop import PracticeShop, Store
from practice_shop.generate import fill

GENERATIONS = ("addon", "api")
_KEY = pytest.StashKey[list[str]]()


@dataclass
class Subject:
    """A shop under test. ``writes`` says whether it may be changed; ``say`` notes what was checked, or cannot be here."""

    name: str
    url: str
    key: str
    generation: str
    admin_script: str
    limits: Limits
    writes: bool
    notes: list[str] = field(default_factory=list)
    orders_read: list[Order] | None = None

    def channel(self, key: str | None = None) -> XCart:
        return XCart(Credentials(self.url, key or self.key, self.generation, self.admin_script), limits=self.limits)

    def say(self, sentence: str) -> None:
        self.notes.append(f"{self.name}: {sentence}")

    def cannot(self, sentence: str) -> None:
        """This shop lacks what a check needs: note it, which is all that can be done."""
        self.say(f"not checked: {sentence}")

    def set_status(self, order_id: str, status_id: str, code: str) -> None:
        """Put a status back, past the channel: the channel never goes backwards."""
        if self.generation == "api":
            answer = requests.put(
                f"{self.url}/api/orders/{order_id}/shipping_status",
                json={"code": code},
                headers={"X-Auth-Token": self.key},
                timeout=60,
            )
        else:
            answer = requests.put(
                f"{self.url}/{self.admin_script}",
                params={"target": "RESTAPI", "_key": self.key, "_path": f"order/{order_id}"},
                json={"shippingStatus": {"id": int(status_id)}},
                timeout=60,
            )
        assert answer.status_code == 200


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "subject" in metafunc.fixturenames:
        metafunc.parametrize("subject", ["real"] if os.environ.get("SHOP_URL") else GENERATIONS, indirect=True, scope="session")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for line in config.stash.get(_KEY, []):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    if request.param == "real":
        made = _real_shop()
        yield made
    else:
        with PracticeShop(store=_store(), generation=request.param) as shop:
            yield (made := Subject(request.param, shop.url, shop.key, request.param, "admin.php", _limits(("127.0.0.1",)), True))
            assert shop.failures == []
    # Shown for a real shop only: of the practice shops all that is known is wanted to be quiet.
    if request.param == "real":
        request.config.stash.setdefault(_KEY, []).extend(made.notes)


def _real_shop() -> Subject:
    permitted = tuple(os.environ.get("ALLOW_PRIVATE", "").replace(",", " ").split())
    try:
        site = XCart.normalise(os.environ["SHOP_URL"], permitted)
        key = Path(os.environ["SHOP_KEY_FILE"]).read_text(encoding="utf-8").strip()
        check = XCart(Credentials(site.endpoint, key, "", site.admin_script), limits=_limits(permitted)).check()
    except AddressRefused as refused:
        pytest.exit(_private(refused.message), returncode=1)
    except (AppError, OSError) as wrong:
        pytest.exit(str(wrong), returncode=1)
    if check.verdict == AddressRefused.code:
        pytest.exit(_private(check.message), returncode=1)
    if not check.generation:
        pytest.exit(f"{check.message} {check.advice}", returncode=1)
    writes = os.environ.get("WRITE") == "1" and check.good
    return Subject(site.endpoint, site.endpoint, key, check.generation, check.admin_script, _limits(permitted), writes)


def _private(message: str) -> str:
    parts = urlsplit(os.environ["SHOP_URL"] if "//" in os.environ["SHOP_URL"] else f"//{os.environ['SHOP_URL']}")
    place = f"{parts.hostname}:{parts.port or (80 if parts.scheme == 'http' else 443)}"
    return f"{message} To test a shop at a private address, add ALLOW_PRIVATE={place} to the command."


def _limits(permitted: tuple[str, ...]) -> Limits:
    return Limits(read_timeout=60, total_timeout=120, allow_private=permitted, user_agent="Cartlink contract suite")


def _store() -> Store:
    """A shop with variants, carts, odd names and prices, some 250 orders of the last weeks, none at fault."""
    store = fill(Store(), products=230, orders=0, days=1, seed=7)
    chance = random.Random(7)
    sellable = [row for row, product in store.products.items() if product.sku]
    now = datetime.now(UTC).replace(microsecond=0)
    for place in range(257):
        lines = [(chance.choice(sellable), chance.randint(1, 4)) for _ in range(chance.randint(1, 3))]
        store.place_order(
            lines, payment=chance.choice("PPPQ"), shipping=chance.choice(("N", "N", "P", "S", "D")), at=now - timedelta(hours=2 * (257 - place)),
            shipping_cost=4.95, surcharges=[("tax", "VAT", "Mehrwertsteuer", 1.23, bool(place % 2))] if place % 3 else (),
            email="zoë@example.com", notes="Bitte läuten" if place % 5 == 0 else "",
        )  # fmt: skip
    return store
