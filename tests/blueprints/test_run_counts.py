"""What a run has done, in words."""

from __future__ import annotations

from flask import Flask

from blueprints.labels import ROW_RESULTS, count_words
from extensions import writing
from models import RunItem
from tests.blueprints.pages import element, elements, words
from tests.blueprints.rows import add_finished_run, add_integration
from tests.support.signed_in import FreshClient


def test_counts_are_said_in_the_singular_and_the_plural(app: Flask) -> None:
    with app.test_request_context():
        assert (
            count_words({"released": 1, "started": 2, "preview": 1, "new": 0})
            == "1 order released, 2 new stock items, 1 waiting for approval"
        )
        assert (count_words({"extra_reads": 1}), count_words({"new": 2, "extra_reads": 3})) == ("", "2 new")


def test_the_tabs_of_a_run_name_what_became_of_its_rows_as_the_rows_do(client: FreshClient) -> None:
    run_id = add_finished_run(add_integration(), kind="stock")
    with writing() as session:
        session.add_all(RunItem(run_id=run_id, external_id=result, sku=result.upper(), result=result) for result in ROW_RESULTS)
    page = client.get(f"/activity/{run_id}").text
    tabs, rows = words(element(page, "ul", _class="tabs").text), words(elements(page, "tbody")[0].text)
    for label, _ in ROW_RESULTS.values():
        assert f"{label} 1" in tabs and label in rows
    assert "_" not in tabs


def test_a_run_has_no_columns_that_none_of_its_rows_fills(client: FreshClient) -> None:
    integration_id = add_integration()
    for kind, given, expected in (
        ("shipments", {}, ["What", "Result"]),
        ("shipments", {"reason": "The shop refused it."}, ["What", "Result", "Why"]),
        ("stock", {"now": 0, "wanted": 3, "stored": 3}, ["What", "Result", "Before", "Wanted", "Stored"]),
    ):
        run_id = add_finished_run(integration_id, kind=kind)
        with writing() as session:
            session.add(RunItem(run_id=run_id, external_id="1", sku="A", result="sent", **given))
        page = client.get(f"/activity/{run_id}").text
        assert [words(each.text) for each in elements(page, "th", scope="col")] == expected
        assert len(elements(page, "td")) == len(expected) - 1
