"""``integrations/{id}/stock-preview``: the stock update that needs approval, because it changes much or is the first one."""

from __future__ import annotations

from msgspec import Struct

from api.operations import Call, operation
from api.reply import Reply
from api.shapes import Body, Id, row_id
from errors import NotFound
from jobs.schedule import start_due_runs
from services.listings import previews
from services.monitoring import decisions
from services.shops import finding


class StockPreview(Struct):
    """The run ``run_id`` found ``changes`` to send, of which ``zeroed`` set a quantity to 0. Its rows with the result preview are the changes:
    ``GET /runs/{run_id}/rows?result=preview``."""

    run_id: str
    changes: int
    zeroed: int


class StockPreviewApproval(Body):
    """``run_id`` is that of the preview you have looked at."""

    run_id: Id


class StockPreviewApproved(Struct):
    """How many changes are sent with the next stock update."""

    changes: int


@operation(
    "GET", "/integrations/<int:integration_id>/stock-preview", "Get the stock update that needs approval; 404 if none does",
    scope="listings:read", answers={200: StockPreview},
)  # fmt: skip
def get_stock_preview(call: Call, integration_id: int) -> StockPreview:
    found = previews.preview(finding.get_integration(integration_id).id)
    if found.run_id is None:
        raise NotFound("No stock update needs approval.")
    return StockPreview(str(found.run_id), found.changes, found.zeroed)


@operation(
    "POST", "/integrations/<int:integration_id>/stock-preview/approve", "Approve a stock update: exactly these changes are sent",
    scope="approvals:write", role="manager", body=StockPreviewApproval, answers={200: StockPreviewApproved},
)  # fmt: skip
def approve_stock_preview(call: Call, integration_id: int) -> Reply:
    number = decisions.approve_stock_update(integration_id, call.actor, seen=row_id(call.body.run_id))
    return Reply(StockPreviewApproved(number), after=_start)


def _start() -> None:
    start_due_runs()
