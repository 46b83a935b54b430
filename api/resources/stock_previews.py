"""``integrations/{id}/stock-preview``: the stock update that needs approval, because it changes much or is the first one."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import case, func, select

from api.operations import Call, operation
from api.reply import Reply
from api.shapes import Body, Id, row_id
from errors import NotFound
from extensions import db
from jobs.schedule import start_due_runs
from models import RunItem
from services.listings import stock_push
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
    run_id = finding.get_integration(integration_id).waiting_run_id
    if run_id is None:
        raise NotFound("No stock update needs approval.")
    counted = select(func.count(), func.coalesce(func.sum(case((RunItem.wanted == 0, 1), else_=0)), 0))
    changes, zeroed = db.session.execute(counted.where(RunItem.run_id == run_id, RunItem.result == "preview")).one()
    return StockPreview(str(run_id), changes, int(zeroed))


@operation(
    "POST", "/integrations/<int:integration_id>/stock-preview/approve", "Approve a stock update: exactly these changes are sent",
    scope="approvals:write", role="manager", body=StockPreviewApproval, answers={200: StockPreviewApproved},
)  # fmt: skip
def approve_stock_preview(call: Call, integration_id: int) -> Reply:
    number = stock_push.approve(integration_id, call.actor, seen=row_id(call.body.run_id))
    return Reply(StockPreviewApproved(number), after=_start)


def _start() -> None:
    start_due_runs()
