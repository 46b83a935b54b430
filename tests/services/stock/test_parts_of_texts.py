"""Parts of SKUs and names: whatever writes, renames and removes rows, a search finds the rows that have the part and no others."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from extensions import db as database
from extensions import writing
from models import Listing, StockItem
from models.sku_key import folded, search_text, sku_key
from services.stock import skus
from tests.support.rows import make_integration

LETTERS = ["a", "b", "A", "-", " ", '"', "'", "%", "_", "*", "Ä", "ß", "İ", "茶", "\U0001f375", "\\", "(", ":"]
SEED = 281410


def made_up(chance: random.Random, most: int = 12) -> str:
    return "".join(chance.choice(LETTERS) for _ in range(chance.randrange(1, most)))


def row(number: int, name: str) -> dict[str, object]:
    return {
        "id": number,
        "sku": f"S{number}",
        "sku_key": sku_key(f"S{number}"),
        "name": name,
        "searched": search_text(f"S{number}", name),
    }


def found(model: type[StockItem] | type[Listing], part: str) -> set[int]:
    with database.session() as session:
        return set(session.scalars(select(model.id).where(skus.found_by(model, part))))


@pytest.mark.both_databases
def test_rows_are_found_by_every_part_after_all_kinds_of_changes(db, monkeypatch) -> None:
    chance = random.Random(SEED)
    shop = make_integration().shop_id
    texts = {number: made_up(chance, 30) for number in range(1, 121)}
    with writing() as session:
        session.execute(insert(StockItem), [row(number, name) for number, name in texts.items()])
        session.execute(
            insert(Listing),
            [
                {**row(number, name), "shop_id": shop, "external_id": str(number), "kind": "product", "product_id": "1"}
                for number, name in texts.items()
            ],
        )
    for number in chance.sample(sorted(texts), 40):
        texts[number] = made_up(chance, 30)
        with writing() as session:
            values = row(number, texts[number])
            if number % 2:
                session.get_one(StockItem, number).name = texts[number]
                session.get_one(StockItem, number).searched = str(values["searched"])
            else:
                session.execute(update(StockItem).where(StockItem.id == number).values(**values))
            session.execute(update(Listing).where(Listing.id == number).values(name=values["name"], searched=values["searched"]))
    gone = chance.sample(sorted(texts), 20)
    with writing() as session:
        session.execute(delete(StockItem).where(StockItem.id.in_(gone)))
        session.execute(delete(Listing).where(Listing.id.in_(gone)))
    for number in gone:
        del texts[number]
    parts = ["s1", "S11", '"', "a b", *(made_up(chance, 5) for _ in range(60))]
    parts += [
        name[at : at + length]
        for name in chance.sample(list(texts.values()), 40)
        for at, length in [(chance.randrange(5), chance.randrange(1, 8))]
    ]
    for part in parts:
        wanted = {number for number, name in texts.items() if folded(part) in search_text(f"S{number}", name)}
        assert found(StockItem, part) == found(Listing, part) == wanted, part
    monkeypatch.setattr(skus, "MOST_COUNTED", 3)
    assert found(StockItem, "s10") == {number for number in texts if number >= 100 and number < 110} | ({10} & set(texts))


@pytest.mark.one_database
def test_rows_that_are_there_already_are_indexed_once(db) -> None:
    with writing() as session:
        for name in ("Tea pot", "Coffee pot"):
            values = row(1, name)
            statement = sqlite_insert(StockItem).values(**values)
            session.execute(
                statement.on_conflict_do_update(index_elements=["id"], set_={"name": name, "searched": values["searched"]})
            )
        session.execute(text("INSERT INTO stock_item_parts (stock_item_parts) VALUES ('integrity-check')"))
    assert found(StockItem, "pot") == found(StockItem, "coffee") == {1} and found(StockItem, "tea") == set()
