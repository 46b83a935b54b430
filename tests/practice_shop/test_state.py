"""A practice shop that is started again is the same shop."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from practice_shop import Store
from practice_shop.state import load_store, save_store
from tests.support.processes import ROOT, wait_until

MADE = (1, 0, 30.0, 1, 0.12)


def test_what_was_sold_and_changed_is_there_again(tmp_path):
    store = Store()
    product = store.add_product(sku="CUP", name="Täßchen", price=10, amount=5)
    order = store.place_order(lines=[(product, 2)])
    store.set_status(order, shipping="S")
    save_store(store, tmp_path / "shop", MADE)
    again = load_store(tmp_path / "shop", MADE)
    assert (again.amount(product), again.order(order).number, again.summary()) == (3, store.order(order).number, store.summary())
    assert again.place_order(lines=[(product, 1)]) > order
    assert (tmp_path / "shop").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [None, b"", b"not a shop"])
def test_without_a_readable_file_a_new_shop_is_made(tmp_path, content):
    if content is not None:
        (tmp_path / "shop").write_bytes(content)
    assert load_store(tmp_path / "shop", MADE) is None


def test_other_options_make_another_shop(tmp_path):
    save_store(Store(), tmp_path / "shop", MADE)
    assert load_store(tmp_path / "shop", (2, *MADE[1:])) is None


def test_the_command_keeps_its_shop(tmp_path):
    def orders() -> set[int]:
        return set(load_store(tmp_path / "shop", (5, 4, 30, 1, 0.12)).orders)

    command = [
        sys.executable,
        "-m",
        "practice_shop",
        "--port",
        "0",
        "--products",
        "5",
        "--orders",
        "4",
        "--orders-per-minute",
        "600",
    ]
    kept: set[int] = set(range(1, 5))
    for _ in range(2):
        shop = subprocess.Popen([*command, "--state", str(tmp_path / "shop")], cwd=Path(ROOT), stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda least=kept: (tmp_path / "shop").exists() and orders() > least, 30, "a sale that is kept")
        finally:
            shop.send_signal(signal.SIGTERM)
            assert shop.wait(90) == 0
        assert orders() > kept
        kept = orders()
