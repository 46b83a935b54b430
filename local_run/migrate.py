"""``python -m local_run.migrate``: bring the database to the newest tables, or say in one sentence why not.

Where nobody can sign in yet it prints the one-time code that the first-run page asks for."""

from __future__ import annotations

import logging
import sys

import flask_migrate
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from app import create_app
from errors import AppError
from extensions import db
from services.accounts import users
from services.common import database_trouble


def main() -> int:
    try:
        app = create_app()
        logging.getLogger("alembic").setLevel(logging.WARNING)
        with app.app_context():
            # Whether it answers is asked first: what an upgrade says of a database that is away advises commands, not ``make run``.
            db.engine.connect().close()
            if db.engine.dialect.name == "sqlite" and (found := database_trouble.damage()):
                print(_damaged(found), file=sys.stderr)
                return 1
            flask_migrate.upgrade()
            if users.needs_first_run():
                print(users.issue_first_run_code())
    except AppError as error:
        print(error.sentence(), file=sys.stderr)
        return 1
    except SQLAlchemyError as error:
        trouble = database_trouble.named(error) if isinstance(error, DBAPIError) else None
        if trouble is not None and trouble.message == database_trouble.DAMAGED:
            print(_damaged(str(error.orig)), file=sys.stderr)
            return 1
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()
        print(f"The database of DATABASE_URL cannot be brought up to date: {cause[0] if cause else error}", file=sys.stderr)
        return 1
    return 0


def _damaged(found: str) -> str:
    return f"{database_trouble.DAMAGED} SQLite says: {found}. Restore your last backup: .venv/bin/flask --app app backup restore FILE"


if __name__ == "__main__":
    sys.exit(main())
