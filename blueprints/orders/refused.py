"""The page of an order with what could not be done: it may have changed since the page with the button was opened."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from blueprints.actors import may_see_customers
from errors import AppError, Conflict
from services.orders import views


def refused(order_id: int, wrong: AppError, **given: object) -> tuple[str, int]:
    """``given`` is what was typed. Raises NotFound for an order that is gone."""
    page = views.order_page(order_id, with_customers=may_see_customers())
    return render_template("orders/order.html", page=page, wrong=wrong, **given), wrong.status


def show_conflicts(bp: Blueprint) -> None:
    """Show on the page of the order why an act of this blueprint is not possible any more."""

    @bp.errorhandler(Conflict)
    def show(wrong: Conflict) -> tuple[str, int]:
        return refused((request.view_args or {})["order_id"], wrong)
