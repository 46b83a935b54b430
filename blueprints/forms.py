"""A form that was refused: shown again with what was typed, 422, and why."""

from __future__ import annotations

from flask import Response, make_response, render_template
from flask_wtf import FlaskForm

from errors import InvalidInput


def show_form(template: str, form: FlaskForm, **context: object) -> Response:
    """The page again with what is wrong with each field."""
    return make_response(render_template(template, form=form, **context), 422)


def refuse(template: str, form: FlaskForm, error: InvalidInput, **context: object) -> Response:
    """The page again with what a service said, beside the field it names, or the first one."""
    field = form[error.field] if error.field in form else next(iter(form))
    field.errors = [*field.errors, error.sentence()]
    return show_form(template, form, **context)
