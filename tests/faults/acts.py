"""What may happen on a day: in the shops, by people, by machines. Each act is a method, drawn by its weight in ``ACTS``."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from sqlalchemy.exc import OperationalError

from errors import AppError
from practice_shop import PracticeShop
from tests.faults.boundaries import Crash, made_by_the_suite
from tests.faults.day_program import DayProgramActs
from tests.faults.house import House
from tests.faults.machine_acts import MachineActs
from tests.faults.people_acts import PeopleActs
from tests.faults.shop_acts import ShopActs

ACTS: dict[str, int] = {
    "sell": 10, "edit": 2, "pay": 2, "cancel": 2, "refund": 1, "ship_there": 2, "tamper": 1,
    "set_stock": 4, "ship": 6, "ship_part": 2, "undo_shipment": 3, "void": 2, "edit_tracking": 2, "call_off": 1, "mark_seen": 1,
    "tick": 8, "work": 8, "sync_now": 5, "approve": 2, "pass_time": 6,
    "crash": 12, "meanwhile": 6, "database": 3, "jump": 2, "skew": 1,
    "break_shop": 6, "break_page": 2, "lie": 2, "repair_shop": 4, "flush": 2, "change_answers": 4, "block_writes": 2,
    "push_in_trouble": 7, "empty_lists": 2, "ship_too_late": 4, "put_back": 3, "spoil": 3, "repair": 2, "reuse_ids": 2,
    "import_order": 2, "upgrade": 1, "twins": 2, "skew_date": 1, "delete_order": 2, "cap_amounts": 2, "crash_shipping": 3, "crash_polling": 3, "mislead_polls": 3,
    "program_stock": 4, "program_ships": 3, "program_reads": 3, "change_mood": 3,
    "revoke": 1, "read_only": 1, "give_key": 2, "disable": 1, "enable": 3, "remove": 1, "add_again": 3,
}  # fmt: skip


MOODS: tuple[tuple[str, ...], ...] = (
    (), ("crash", "meanwhile"), ("lie", "crash", "sell"), ("jump", "pass_time", "crash"), ("break_shop", "break_page", "meanwhile"),
    ("remove", "add_again", "disable", "meanwhile"), ("ship", "ship_part", "crash", "break_shop"), ("database", "crash"),
    ("revoke", "give_key", "read_only"), ("push_in_trouble", "block_writes", "set_stock"), ("change_answers", "work", "sell"), ("ship_too_late", "put_back", "cancel", "refund"),
    ("spoil", "repair", "cancel", "ship"), ("ship", "undo_shipment", "crash"), ("ship", "ship_part", "void", "edit_tracking", "cancel"),
    ("mislead_polls", "sell", "crash"), ("crash_polling", "sell", "edit"),
    ("upgrade", "import_order", "set_stock"),
    ("reuse_ids", "ship", "edit"), ("twins", "edit", "ship_part"), ("delete_order", "ship", "ship_part"), ("cap_amounts", "set_stock", "sell"),
    ("program_stock", "program_ships", "program_reads", "crash", "database", "change_mood"),
)  # fmt: skip
"""What a schedule has more of than others: three times its usual weight."""


class Acts(ShopActs, PeopleActs, MachineActs, DayProgramActs):
    """The shops and people of one schedule in a house. ``story`` is what happened, ``events`` how often each sort did."""

    def __init__(self, house: House, seed: str):
        self.house = house
        self.chance = random.Random(seed)
        self.story: list[str] = []
        self.events: Counter[str] = Counter()
        self.exempt: list[tuple[str, str, str]] = []
        """(shop, SKU, reason) of listings that did not have to converge."""
        self.twins_cut: list[tuple[PracticeShop, int]] = []
        """Orders of which one line was shipped and taken out, and an equal one is left."""
        self.spoiled: list[tuple[PracticeShop, int, dict]] = []
        """Orders that their shop cannot print, with what has to be put back into them."""
        self.lied = False
        """Whether something was hidden that only the daily readings can find."""
        random.seed(seed)
        house.reset(order_page_size=self.chance.choice((2, 3, 25)), slice_seconds=self.chance.choice((0, 30)))
        wanted = self.chance.choice((("addon",), ("api",), ("addon", "api"), ("addon", "api")))
        self.shops = {name: house.open_shop(name) for name in wanted}
        self.ids: dict[str, int] = {}
        self.shop_ids: dict[str, int] = {}
        self.names = list(self.shops)
        mood = self.chance.choice(MOODS)
        self.weights = [weight * (3 if name in mood else 1) for name, weight in ACTS.items()]
        for name, shop in self.shops.items():
            self._furnish(shop)
            self._connect(name)

    def say(self, words: str) -> None:
        clock = self.house.clock
        self.story.append(f"{clock.true:%d %H:%M:%S}{'' if not clock.error else f' ({clock.error})'} {words}")

    def _act(self, act: Callable[[], object], watched: bool = True) -> bool:
        """Something a person or a worker does; answers whether it came to its end. What may go wrong is written into the story."""
        try:
            self.house.do(act, watched=watched)
        except Crash as crash:
            self.events["crashed"] += 1
            self.events[f"crashed {crash}"] += 1
            self.story[-1] += f" [died {crash}]"
        except AppError as refused:
            self.story[-1] += f" [{refused.code}]"
        except OperationalError as error:
            if not made_by_the_suite(error):
                raise
            self.story[-1] += " [database failed]"
        else:
            return True
        return False
