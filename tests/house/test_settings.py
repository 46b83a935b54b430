"""What ``make run`` decides and keeps before it starts anything."""

from __future__ import annotations

import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from config import load, read_settings_file
from errors import ConfigError
from local_run.settings import make_plan, prepare_instance, socket_path


@pytest.fixture
def instance() -> Iterator[Path]:
    """A place whose path is short, wherever the tests keep their files: sockets are particular."""
    with tempfile.TemporaryDirectory(prefix="c-", dir="/tmp") as folder:
        yield Path(folder) / "instance"


def prepared(instance: Path, **environ: str):
    plan = make_plan({"CARTLINK_INSTANCE": str(instance), **environ})
    prepare_instance(plan)
    return plan


def loaded(instance: Path, **environ: str):
    return load({"CARTLINK_INSTANCE": str(instance), **environ})


def test_the_settings_it_writes_are_those_the_application_reads(instance):
    plan = prepared(instance, PRACTICE_PORT="9001")
    config = loaded(instance)
    assert config.database_url == f"sqlite:///{instance}/cartlink.sqlite"
    assert config.redis_url == plan.redis_url == f"unix://{instance}/run/queue.sock"
    assert config.allow_private_endpoints == ("127.0.0.1:9001", "localhost:9001")
    assert len(config.secret_key) >= 32
    Fernet(config.secret_keys[0])


def test_secrets_stay_and_files_are_private(instance):
    prepared(instance)
    first = loaded(instance)
    prepared(instance, PRACTICE_PORT="9002")
    second = loaded(instance)
    assert (first.secret_key, first.secret_keys) == (second.secret_key, second.secret_keys)
    assert second.allow_private_endpoints == ("127.0.0.1:9002", "localhost:9002")
    for path in instance.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_folder_that_others_could_read_is_closed(instance):
    instance.mkdir(mode=0o755)
    prepared(instance)
    assert stat.S_IMODE(instance.stat().st_mode) == 0o700


def test_a_database_without_its_keyring_is_not_given_a_new_one(instance):
    prepared(instance)
    (instance / "cartlink.sqlite").touch()
    (instance / "keyring").unlink()
    with pytest.raises(ConfigError, match="keyring is missing, and without it the stored API keys cannot be read"):
        prepared(instance)
    assert not (instance / "keyring").exists()


def test_what_the_environment_gives_wins_and_no_queue_is_started_then(instance):
    given = {"REDIS_URL": "redis://127.0.0.1:6379/3", "DATABASE_URL": "postgresql://somewhere/cartlink"}
    plan = prepared(instance, **given)
    assert not plan.own_queue
    config = loaded(instance)
    assert config.redis_url == given["REDIS_URL"]
    assert config.database_url == "postgresql+psycopg://somewhere/cartlink"
    assert prepared(instance).own_queue
    assert loaded(instance).database_url.startswith("sqlite:///")


def test_a_keyring_from_the_environment_is_not_replaced_by_a_made_one(instance):
    key = Fernet.generate_key().decode()
    prepared(instance, SECRET_KEYS=key)
    assert loaded(instance).secret_keys == (key,)
    assert not (instance / "keyring").exists()


def test_settings_added_by_hand_are_kept(instance):
    prepared(instance)
    with (instance / "settings.env").open("a") as file:
        file.write("LOG_LEVEL=DEBUG\n")
    prepared(instance)
    assert loaded(instance).log_level == "DEBUG"


def test_private_addresses_added_by_hand_are_kept(instance):
    prepared(instance, PRACTICE_PORT="9001")
    path = instance / "settings.env"
    path.write_text(path.read_text().replace("ALLOW_PRIVATE_ENDPOINTS=", "ALLOW_PRIVATE_ENDPOINTS=192.168.1.5 shop.local:8443 "))
    for _ in range(2):
        prepared(instance, PRACTICE_PORT="9001")
        assert loaded(instance).allow_private_endpoints == ("192.168.1.5", "shop.local:8443", "127.0.0.1:9001", "localhost:9001")


@pytest.fixture
def deep(tmp_path, monkeypatch) -> Iterator[Path]:
    """An instance folder whose socket path would be too long, and a short place for temporary files."""
    with tempfile.TemporaryDirectory(prefix="c-", dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield tmp_path / ("x" * 120) / "instance"


def test_a_socket_path_that_would_be_too_long_moves_to_a_short_private_folder_and_stays_there(deep, tmp_path):
    first = socket_path(prepared(deep).redis_url)
    assert len(str(first)) < 100
    assert stat.S_IMODE(first.parent.stat().st_mode) == 0o700
    assert socket_path(prepared(deep).redis_url) == first
    assert socket_path(prepared(tmp_path / ("y" * 120)).redis_url) != first


def test_a_short_folder_that_is_not_ours_alone_is_not_used(deep):
    first = socket_path(prepared(deep).redis_url)
    first.parent.chmod(0o755)
    with pytest.raises(ConfigError, match="is not a folder of yours alone"):
        prepared(deep)
    first.parent.rmdir()
    first.parent.symlink_to(deep.parent)
    with pytest.raises(ConfigError, match="is not a folder of yours alone"):
        prepared(deep)


def test_a_path_with_odd_signs_arrives_whole(instance):
    instance = instance.parent / "50% off, über ünder"
    prepared(instance)
    assert read_settings_file(instance / "settings.env")["DATABASE_URL"] == f"sqlite:///{instance}/cartlink.sqlite"
    assert socket_path(loaded(instance).redis_url) == instance / "run" / "queue.sock"


def test_a_place_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="file/instance.* cannot be read: Not a directory"):
        prepared(tmp_path / "file" / "instance")
