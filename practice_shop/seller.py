"""Keeps a practice shop selling while it runs."""

import random
import threading

from .generate import Seller


class SellingThread(threading.Thread):
    """Places orders at random moments, `orders_per_minute` of them on average, until stopped."""

    def __init__(self, store, orders_per_minute: float, seed: int):
        super().__init__(daemon=True, name="practice-shop-seller")
        self._chance = random.Random(f"sales/{seed}")
        self._seller = Seller(store, self._chance)
        self._pace = orders_per_minute / 60
        self._store = store
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(self._chance.expovariate(self._pace)):
            with self._store.lock:
                payment = "P" if self._chance.random() < 0.8 else self._chance.choice(("Q", "A"))
                self._seller.sell(payment=payment)

    def stop(self) -> None:
        self._stopped.set()
