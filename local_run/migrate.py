"""``python -m local_run.migrate``: bring the database to the newest tables, or say in one sentence why not.

Where nobody can sign in yet it prints the one-time code that the first-run page asks for."""

from __future__ import annotations

import logging
import sys

import flask_migrate
from sqlalchemy.exc import SQLAlchemyError

from app import create_app
from errors import AppError
from extensions import db
from services import accounts


def main() -> int:
    try:
        app = create_app()
        logging.getLogger("alembic").setLevel(logging.WARNING)
        with app.app_context():
            # Whether it answers is asked first: what an upgrade says of a database that is away advises commands, not ``make run``.
            db.engine.connect().close()
            flask_migrate.upgrade()
            if accounts.needs_first_run():
                print(accounts.issue_first_run_code())
    except AppError as error:
        print(error.sentence(), file=sys.stderr)
        return 1
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()
        print(f"The database of DATABASE_URL cannot be brought up to date: {cause[0] if cause else error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
