"""Every setting is typed, described, and refused with a sentence where it is nonsense."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from app import create_app
from config import NAMES, load
from errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent.parent
GOOD = {
    "SECRET_KEY": "secret", "SECRET_KEYS": Fernet.generate_key().decode(), "DATABASE_URL": "sqlite:///x.sqlite",
    "REDIS_URL": "redis://localhost",
}  # fmt: skip


@pytest.fixture
def good(tmp_path) -> dict[str, str]:
    return {"CARTLINK_INSTANCE": str(tmp_path), **GOOD}


def test_every_setting_is_described_in_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    described = set(re.findall(r"^\| `([A-Z_]+)` \|", readme, re.MULTILINE))
    assert set(NAMES) - described == set()


def test_every_setting_the_readme_describes_is_read_somewhere():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    places = [
        ROOT / "config.py",
        ROOT / "gunicorn.conf.py",
        ROOT / "page_worker.py",
        ROOT / "Makefile",
        ROOT / "Procfile.dev",
        ROOT / ".ci" / "run",
    ]
    places += [*(ROOT / "local_run").glob("*.py"), *(ROOT / "bench").glob("*.py"), *(ROOT / "tests").rglob("*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in places if path != Path(__file__))
    for name in re.findall(r"^\| `([A-Z_]+)` \|", readme, re.MULTILINE):
        assert name in code, name


def test_the_least_that_is_needed_is_enough(good):
    config = load(good)
    assert (config.lease_seconds, config.orders_every, config.behind_https) == (60, 300, False)


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASE_URL", "REDIS_URL"])
def test_what_is_needed_and_missing_is_named_with_what_to_do(good, name):
    del good[name]
    with pytest.raises(ConfigError, match=f"{name} is not set") as refused:
        load(good)
    assert "make run" in refused.value.advice


def test_without_a_keyring_nothing_starts(good):
    del good["SECRET_KEYS"]
    with pytest.raises(ConfigError, match="There is no keyring"):
        load(good)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DATABASE_URL", "mysql://x", "DATABASE_URL has to start with sqlite:/// or postgresql://"),
        ("BEHIND_HTTPS", "perhaps", "BEHIND_HTTPS has to be yes or no, not 'perhaps'"),
        ("LEASE_SECONDS", "a minute", "LEASE_SECONDS has to be a whole number, not 'a minute'"),
        ("LEASE_SECONDS", "1", "LEASE_SECONDS has to be between 2 and 3600, not 1"),
        ("TICK_SECONDS", "0", "TICK_SECONDS has to be between 1 and 300, not 0"),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL has to be one of DEBUG, INFO, WARNING, ERROR, not 'LOUD'"),
        ("SECRET_KEYS_FILE", "/nowhere/keyring", "The keyring /nowhere/keyring cannot be read: No such file or directory"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(good, name, value, sentence):
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        load({**good, name: value})


def test_a_key_that_is_not_a_key_is_refused(good):
    with pytest.raises(ConfigError, match="is not a Fernet key"):
        create_app(load({**good, "SECRET_KEYS": "abc"}))


def test_a_hosting_environments_address_of_postgresql_is_understood(good):
    assert load({**good, "DATABASE_URL": "postgres://u:p@h/d"}).database_url == "postgresql+psycopg://u:p@h/d"


def test_secrets_do_not_show_when_the_settings_are_printed(good):
    shown = repr(load({**good, "SECRET_KEY": "hide me", "DATABASE_URL": "postgres://u:hide-me@h/d"}))
    assert "hide me" not in shown
    assert "hide-me" not in shown
    assert good["SECRET_KEYS"] not in shown
