"""docs/licences.md lists what is pinned, each with a licence that lets Cartlink use it."""

from __future__ import annotations

import re

from tests.support.processes import ROOT
from tools.licences import pinned

ROWS = {
    package: (version, licence)
    for package, version, licence in re.findall(
        r"^\| ([a-z0-9.-]+) \| (\d\S*) \| (.+) \|$", (ROOT / "docs" / "licences.md").read_text(encoding="utf-8"), re.MULTILINE
    )
}


def test_everything_that_is_pinned_is_listed_and_nothing_else():
    wanted = dict(pinned("requirements.txt") + pinned("requirements-dev.txt"))
    assert {package: version for package, (version, _) in ROWS.items()} == wanted, "run: .venv/bin/python -m tools.licences"


def test_every_licence_is_known_and_permits_the_use():
    """Where a package offers several licences, one that permits it is enough."""
    for package, (_, licence) in ROWS.items():
        assert licence != "not said", package
        offered = re.split(r"\bOR\b", licence)
        assert not all(re.search(r"\bA?GPL", each) for each in offered), f"{package}: {licence}"
