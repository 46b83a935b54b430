"""``integrations/{id}/settings``: everything that can be set for a connected shop."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from api.operations import Call, matches, operation
from api.reply import Reply
from api.shapes import Body, ZoneProblem
from errors import QueueAway
from extensions import one_transaction
from jobs.evaluations import enqueue_evaluation
from jobs.schedule import start_due_runs
from services.common import zones
from services.common.deadlocks import retry_on_deadlock
from services.integrations import settings
from services.integrations.settings import LIMITS
from services.shops import finding, kinds

Status = Annotated[str, Meta(max_length=20, description="A code of the shop's `statuses`; empty: the shop is not updated.")]
Pair = Annotated[
    list[Annotated[str, Meta(max_length=20)]],
    Meta(min_length=2, max_length=2, description="The codes of a payment and a shipping status; `*` is any."),
]
Percent = Annotated[int, Meta(ge=LIMITS["safety_limit_percent"][0], le=LIMITS["safety_limit_percent"][1])]
Least = Annotated[int, Meta(ge=LIMITS["safety_limit_least"][0], le=LIMITS["safety_limit_least"][1])]
Units = Annotated[int, Meta(ge=LIMITS["stock_buffer"][0], le=LIMITS["stock_buffer"][1])]
Interval = Annotated[int, Meta(ge=LIMITS["orders_every"][0], le=LIMITS["orders_every"][1], description="In seconds.")]
Pairs = Annotated[list[Pair], Meta(min_length=1, max_length=500)]
Surcharge = Annotated[str, Meta(max_length=200)]
Name = Annotated[str, Meta(min_length=1, max_length=300)]
Zone = Annotated[str, Meta(max_length=60, description="A name of the IANA time zone database, for example `Europe/Vienna`.")]
Moment = Annotated[datetime, Meta(tz=True)]


class ShopStatus(Struct):
    """A status of orders that the shop has. ``kind`` is payment or shipping; a status of the shop's own has no ``code`` and is set by
    ``external_id``."""

    kind: str
    external_id: str
    code: str
    name: str


class Settings(Struct):
    """What can be set, and the shop's ``statuses``. ``version`` changes with the settings only."""

    name: str
    orders_on: bool
    stock_on: bool
    use_tax: bool
    use_shipping_tax: bool
    surcharge_name: str
    with_variants: bool
    with_options: bool
    with_discounts: bool
    with_tax_lines: bool
    with_notes: bool
    with_back_orders: bool
    work_statuses: list[list[str]]
    processed_status: str
    part_shipped_status: str
    cancelled_status: str
    orders_since: datetime
    zone: str
    zone_problem: ZoneProblem
    orders_every: int
    stock_every: int
    shipments_on: bool
    take_shop_stock: bool
    stock_buffer: int
    stock_cap: int | None
    safety_limit_percent: int
    safety_limit_least: int
    statuses: list[ShopStatus]
    version: str


class SettingsChanges(Body):
    """What is left out stays as it is."""

    name: Name | UnsetType = UNSET
    orders_on: bool | UnsetType = UNSET
    stock_on: bool | UnsetType = UNSET
    use_tax: bool | UnsetType = UNSET
    use_shipping_tax: bool | UnsetType = UNSET
    surcharge_name: Surcharge | UnsetType = UNSET
    with_variants: bool | UnsetType = UNSET
    with_options: bool | UnsetType = UNSET
    with_discounts: bool | UnsetType = UNSET
    with_tax_lines: bool | UnsetType = UNSET
    with_notes: bool | UnsetType = UNSET
    with_back_orders: bool | UnsetType = UNSET
    work_statuses: Pairs | UnsetType = UNSET
    processed_status: Status | UnsetType = UNSET
    part_shipped_status: Status | UnsetType = UNSET
    cancelled_status: Status | UnsetType = UNSET
    orders_since: Moment | UnsetType = UNSET
    zone: Zone | UnsetType = UNSET
    orders_every: Interval | UnsetType = UNSET
    stock_every: Interval | UnsetType = UNSET
    shipments_on: bool | UnsetType = UNSET
    take_shop_stock: bool | UnsetType = UNSET
    stock_buffer: Units | UnsetType = UNSET
    stock_cap: Units | None | UnsetType = UNSET
    safety_limit_percent: Percent | UnsetType = UNSET
    safety_limit_least: Least | UnsetType = UNSET


NAMES = tuple(field.name for field in msgspec.structs.fields(SettingsChanges))


@operation(
    "GET", "/integrations/<int:integration_id>/settings", "Get the settings of an integration", scope="integrations:read",
    answers={200: Settings},
)  # fmt: skip
def get_settings(call: Call, integration_id: int) -> Settings:
    return _shown(integration_id)


@operation(
    "PATCH", "/integrations/<int:integration_id>/settings", "Change settings of an integration", scope="integrations:write",
    role="manager", body=SettingsChanges, answers={200: Settings}, conditional=True,
)  # fmt: skip
def change_settings(call: Call, integration_id: int) -> Reply:
    again = _change(integration_id, call.body, call.actor)

    def follow() -> None:
        start_due_runs()
        if again:
            # The row says that it is due: where the queue is away, a tick enqueues it later.
            with suppress(QueueAway):
                enqueue_evaluation(integration_id)

    return Reply(_shown(integration_id), after=follow)


@retry_on_deadlock
def _change(integration_id: int, changes: SettingsChanges, actor: str) -> bool:
    """Returns whether stored orders have to be read again."""
    given = {name: value for name in NAMES if (value := getattr(changes, name)) is not UNSET}
    with one_transaction() as session:
        session.refresh(finding.get_integration(integration_id), with_for_update=True)
        matches(_version(_values(integration_id)))
        for kind, (switch, _) in settings.SWITCHES.items():
            if switch in given:
                settings.set_flow(integration_id, kind, given.pop(switch), actor)
        return settings.change_settings(integration_id, given, actor)


def _values(integration_id: int) -> dict[str, Any]:
    """The settings by name, UTC where no time zone is set."""
    integration = finding.get_integration(integration_id)
    switches = {switch: integration.flows[kind].enabled for kind, (switch, _) in settings.SWITCHES.items()}
    values = {name: settings.value_of(integration, name) for name in NAMES if name not in switches}
    return {**switches, **values, "zone": values["zone"] or "UTC"}


def _version(values: dict[str, Any]) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


def _shown(integration_id: int) -> Settings:
    values = _values(integration_id)
    statuses = kinds.statuses_of(finding.get_integration(integration_id))
    shown = [ShopStatus(each.kind, each.external_id, each.code, each.name) for each in statuses]
    return Settings(**values, zone_problem=zones.complaint_of(values["zone"]), statuses=shown, version=_version(values))
