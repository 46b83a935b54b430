"""What tests of pages begin with."""

from __future__ import annotations

import pytest
from flask import Flask

from practice_shop import PracticeShop
from tests.blueprints.desks import a_desk
from tests.support.kept import set_up_once


@pytest.fixture
def desk(app: Flask, shop: PracticeShop, request: pytest.FixtureRequest) -> int:
    """The id of an integration with a few orders. A file whose tests sign in needs it before that:
    ``pytestmark = pytest.mark.usefixtures("desk")``."""
    integration_id: int = set_up_once(request, app, shop, lambda: a_desk(shop))
    return integration_id
