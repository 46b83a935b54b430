"""The application factory: wires extensions, blueprints, commands and error pages. Decides nothing."""

from __future__ import annotations

from flask import Flask

import api
import blueprints
import cli
import jobs
import logs
from config import Config, load
from extensions import csrf, db, htmx, migrate
from services.security import keyring, vault


@cli.ends_commands
def create_app(config: Config | None = None) -> Flask:
    """Make the application. Raises ConfigError where a setting is missing or not usable; a ``flask`` command ends then."""
    config = config or load(keyring=not cli.brings_keyring())
    app = Flask(__name__, instance_path=str(config.instance))
    app.config.update(config.flask(), CARTLINK=config)
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    logs.set_up(config.log_level, config.log_format, config.secrets())
    db.init_app(app)
    migrate.init_app(app, db, directory="migrations", render_as_batch=True, compare_type=True)
    # Who may, and how often, is asked before anything looks at what was sent.
    blueprints.guard(app, config)
    csrf.init_app(app)
    htmx.init_app(app)
    vault.init_app(app, config)
    jobs.init_app(app, config)
    blueprints.register(app)
    api.init_app(app, config)
    cli.register(app)
    if not cli.brings_keyring():
        keyring.check_at_start(app)
    return app
