"""What is wrong with one integration at the moment: each problem once, the most important first, with what a person can do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from models import Integration
from services.listings.losses import Loss
from services.monitoring.incident_list import IncidentRow
from services.notify.incident_texts import CAUSES
from services.runs.activity import RunRow
from services.shops.health import GROUPS, READ_ONLY, Group

CLOCK_TOLERANCE = 300
"""Seconds by which a shop's clock may differ from ours without a problem."""
TOPICS = ("key", "outage", "flows", "waiting", "silence", "stock", "feeds")
"""Topics of incidents (services.notify.incident_texts.TOPICS), the most important first: a rejected key stops everything."""
STOPPING = ("key", "outage", "flows")
"""Topics whose incidents say why a flow fails."""
EVERYTHING = frozenset(GROUPS)


@dataclass(frozen=True, slots=True)
class Problem:
    """``act`` names the button that fixes it, as ``Cause.act`` does; empty if there is nothing to press. ``parts`` are the groups
    of services.shops.health.GROUPS whose trouble it explains. ``incident`` is None for what is no incident, or not yet one."""

    title: str
    details: str = ""
    advice: str = ""
    act: str = ""
    parts: frozenset[str] = frozenset()
    since: datetime | None = None
    incident: IncidentRow | None = None

    @property
    def reauthorises(self) -> bool:
        return self.act == "reauthorise" or bool(self.incident and self.incident.elsewhere)

    @property
    def said(self) -> str:
        return " ".join((self.title, self.details, self.advice))


def problems_of(
    integration: Integration, incidents: Sequence[IncidentRow], groups: Sequence[Group], loss: Loss | None
) -> list[Problem]:
    """The problems of an integration, the most important first; none while it is disabled."""
    if not integration.enabled:
        return []
    present = [row for row in incidents if not row.quiet]
    found = [_of_incident(row) for row in sorted(present, key=_rank)]
    causes = {_cause_of(row) for row in present}
    if integration.health == "needs_reauthorising":
        if "key_rejected" not in causes:
            found.insert(0, _rejected_key(integration))
    elif integration.writes_refused and "read_only_key" not in causes:
        found.insert(
            0, Problem("The API key may only read", READ_ONLY, act="reauthorise", parts=frozenset({"stock", "write_back"}))
        )
    elif integration.health_message and not any(row.words.topic in STOPPING for row in present):
        found.insert(0, _not_yet_an_incident(integration, groups))
    if integration.waiting_run_id is not None and "stock_waits" not in causes:
        found.append(_of_cause("stock_waits"))
    if loss and "listings_lost" not in causes:
        found.append(_of_cause("listings_lost", loss.sentence()))
    if sentence := clock_sentence(integration.shop.clock_ahead):
        found.append(Problem("The shop's clock is wrong", sentence))
    if integration.put_by_post == "proven":
        found.append(Problem("The shop’s host blocks PUT", POST_INSTEAD))
    return found + [_watched(row) for row in incidents if row.quiet]


POST_INSTEAD = "Quantities are sent as POST instead, which this shop accepts. Ask its host to allow PUT for the shop’s API."


def unexplained(groups: Sequence[Group], problems: Sequence[Problem]) -> frozenset[str]:
    """The names of the groups whose own sentence says something that no problem has said."""
    explained = frozenset[str]().union(*(problem.parts for problem in problems))
    said = " ".join(problem.said for problem in problems)
    return frozenset(
        group.name for group in groups
        if group.sentence and group.sentence not in said and not (group.name in explained and group.state != "off")
    )  # fmt: skip


def errors_of(runs: Sequence[RunRow], problems: Sequence[Problem]) -> dict[int, str]:
    """The errors of runs that are worth a line: those that no problem and no newer run has said, by the run's id."""
    said = " ".join(problem.said for problem in problems)
    found: dict[int, str] = {}
    for run in runs:
        if run.error and run.error not in said and run.error not in found.values():
            found[run.id] = run.error
    return found


def _rank(row: IncidentRow) -> tuple[int, datetime]:
    return TOPICS.index(row.words.topic), row.since


def _cause_of(row: IncidentRow) -> str:
    return next(name for name, cause in CAUSES.items() if cause is row.words)


def _of_incident(row: IncidentRow) -> Problem:
    everything = row.words.topic == "outage" or row.words is CAUSES["key_rejected"]
    parts = EVERYTHING if everything else frozenset({row.words.part})
    if row.words is CAUSES["read_only_key"]:
        parts = frozenset({"stock", "write_back"})
    details = " ".join(row.happened)
    return Problem(row.words.title, details, row.can, row.words.act, parts, row.since, row)


def _watched(row: IncidentRow) -> Problem:
    """An incident that is open only because it came back before: it explains nothing that is wrong now, and there is nothing to press."""
    return Problem(f"Over for now: {row.words.title}", row.happened[-1], since=row.since)


def _of_cause(name: str, details: str = "") -> Problem:
    cause = CAUSES[name]
    return Problem(cause.title, details, cause.can, cause.act, frozenset({cause.part}))


def _rejected_key(integration: Integration) -> Problem:
    cause = CAUSES["key_rejected"]
    message = integration.health_message
    return Problem(
        cause.title, message, "Choose ‘Reauthorise’ to enter another key.", cause.act, EVERYTHING, integration.health_since
    )


def _not_yet_an_incident(integration: Integration, groups: Sequence[Group]) -> Problem:
    """What failed last: it becomes an incident only if it lasts."""
    message = integration.health_message
    advice = next((flow.advice for flow in integration.flows.values() if flow.error == message), "")
    return Problem(message, "", advice, "try_now", _failing(groups), integration.health_since)


def _failing(groups: Sequence[Group]) -> frozenset[str]:
    """What fails, and what stands still because of it."""
    return frozenset(group.name for group in groups if group.state in ("failing", "stopped", "waiting"))


def clock_sentence(ahead: int | None) -> str:
    """What is said where the time in the shop's answers is so many seconds ahead of ours; empty up to five minutes."""
    if ahead is None or abs(ahead) <= CLOCK_TOLERANCE:
        return ""
    minutes = round(abs(ahead) / 60)
    length = f"{minutes} minutes" if minutes < 120 else f"{round(minutes / 60)} hours"
    return (
        f"The shop's clock is {length} {'ahead of' if ahead > 0 else 'behind'} this computer's clock. No order is missed, but times may "
        "look wrong. Check the clocks of the shop's server, of a proxy in front of it, and of this computer."
    )
