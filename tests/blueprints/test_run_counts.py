"""What a run has done, in words."""

from __future__ import annotations

from flask import Flask

from blueprints.labels import count_words


def test_counts_are_said_in_the_singular_and_the_plural(app: Flask) -> None:
    with app.test_request_context():
        assert (
            count_words({"released": 1, "started": 2, "preview": 1, "new": 0})
            == "1 order released, 2 new stock items, 1 waiting for approval"
        )
