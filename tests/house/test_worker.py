"""worker.py as its own process: it does jobs, ends in order, and leaves nothing running when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import rq
from cryptography.fernet import Fernet
from redis import Redis
from rq.serializers import JSONSerializer

from jobs.schedule import tick
from tests.support.processes import alive, wait_until
from tests.support.rows import make_integration
from tests.support.valkey import valkey_server
from tests.support.workers import processes_environment
from worker import make_scheduler

JOBS = "tests.support.sample_jobs"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def enqueue(redis_url):
    """``enqueue("sync", "note", path=…)`` puts a sample job on a queue, as JSON; ``at`` is the REDIS_URL of another server."""

    def put(queue: str, name: str, at: str = redis_url, **arguments):
        connection = Redis.from_url(at)
        return rq.Queue(queue, connection=connection, serializer=JSONSerializer).enqueue(f"{JOBS}.{name}", kwargs=arguments)

    return put


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def horse_of(path: Path) -> int:
    return int(wait_until(lambda: text_of(path), 60, "the job's first note").split()[-1])


def test_what_a_job_needs_of_a_channel_is_imported_before_the_fork():
    """A forked job would import it again each time: 40 modules."""
    opening = "from channels.base import Credentials; channels.open_channel('xcart', Credentials('https://shop.example', 'key', 'addon'))"
    lines = [
        "import sys, channels, worker, jobs.imports",
        "jobs.imports.import_ahead()",
        "before = set(sys.modules)",
        opening,
        "print(sorted(set(sys.modules) - before))",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.both_databases
def test_a_job_runs_inside_the_application_with_a_separate_database_connection(worker, enqueue, tmp_path):
    worker("checks", "sync")
    for place in ("one", "two"):
        enqueue("sync", "note", path=str(tmp_path / place), words=place)
    for place in ("one", "two"):
        wait_until(lambda place=place: text_of(tmp_path / place) == f"{place} in app with 0 integrations", 60, f"job {place}")


def test_a_job_under_way_pauses_when_the_worker_is_asked_to_stop(worker, enqueue, tmp_path):
    started = worker("sync")
    enqueue("sync", "pages", path=str(tmp_path / "note"))
    horse = horse_of(tmp_path / "note")
    assert started.stop() == 0
    assert text_of(tmp_path / "note") == f"paused {horse}"
    assert not alive(horse)


def test_a_job_that_does_not_pause_is_killed_when_patience_is_over(worker, enqueue, tmp_path):
    started = worker("sync", "--patience=1")
    enqueue("sync", "pages", path=str(tmp_path / "note"), listen=False)
    horse = horse_of(tmp_path / "note")
    assert started.stop() == 0
    assert not alive(horse)
    assert "did not pause within 1 s" in started.output()


def test_ctrl_c_on_the_terminal_reaches_the_job_through_its_worker_only(worker, enqueue, tmp_path):
    started = worker("sync")
    enqueue("sync", "pages", path=str(tmp_path / "note"))
    horse = horse_of(tmp_path / "note")
    os.kill(horse, signal.SIGINT)
    time.sleep(0.3)
    assert alive(horse)
    started.process.send_signal(signal.SIGINT)
    assert started.exit_code() == 0
    assert text_of(tmp_path / "note") == f"paused {horse}"


@pytest.mark.parametrize("listen", [True, False])
def test_a_job_does_not_outlive_a_worker_that_was_killed(worker, enqueue, tmp_path, listen):
    started = worker("sync")
    enqueue("sync", "pages", path=str(tmp_path / "note"), listen=listen)
    horse = horse_of(tmp_path / "note")
    started.kill()
    wait_until(lambda: not alive(horse), 20, "the end of the work horse")
    assert text_of(tmp_path / "note").startswith("paused" if listen else "started")


def test_what_was_pickled_into_the_queue_is_not_run(worker, redis_url, enqueue, tmp_path):
    worker("sync")
    pickled = rq.Queue("sync", connection=Redis.from_url(redis_url)).enqueue(os.mkdir, str(tmp_path / "owned"))
    enqueue("sync", "note", path=str(tmp_path / "after"), words="after")
    wait_until(lambda: text_of(tmp_path / "after"), 60, "the job after it")
    assert not (tmp_path / "owned").exists()
    assert pickled.get_status(refresh=True) == "failed"


@pytest.mark.parametrize("part", ["sync", "cron"])
@pytest.mark.sampled(1)
def test_without_a_queue_it_says_so_in_one_sentence_and_ends(worker, part, tmp_path):
    started = worker(part, wait=False, REDIS_URL=f"unix://{tmp_path}/nowhere")
    assert started.exit_code() == 1
    assert "The queue at REDIS_URL does not answer" in started.output()
    assert "Traceback" not in started.output()


@pytest.mark.parametrize("part", ["sync", "cron", "command"])
@pytest.mark.sampled(1)
def test_with_a_wrong_keyring_no_part_and_no_command_starts(worker, processes, environment, app, part):
    make_integration(key="a key that was encrypted with the right keyring")
    variables = {"SECRET_KEYS": Fernet.generate_key().decode()}
    if part == "command":
        command = [sys.executable, "-m", "flask", "--app", "app", "orders", "list"]
        started = processes.start(command, env=processes_environment({**environment, **variables}))
    else:
        started = worker(part, wait=False, **variables)
    assert started.exit_code() == 1
    assert "The keyring does not belong to this database" in started.output()
    assert "Traceback" not in started.output()


def cut_connections(redis_url: str) -> None:
    with Redis.from_url(redis_url) as queue:
        queue.client_kill_filter(_type="normal", skipme=True)


def waits_for_a_job(redis_url: str) -> bool:
    """Whether a worker's connection is blocked until a job comes, so that the worker is not busy with the end of its last job."""
    with Redis.from_url(redis_url) as queue:
        return any("b" in client["flags"] for client in queue.client_list())


def test_an_idle_worker_goes_on_when_its_connection_was_cut(worker, enqueue, tmp_path, redis_url):
    started = worker("sync")
    enqueue("sync", "note", path=str(tmp_path / "before"), words="before")
    wait_until(lambda: text_of(tmp_path / "before"), 60, "a job before the connection was cut")
    wait_until(lambda: waits_for_a_job(redis_url), 60, "a worker that waits for a job")
    cut_connections(redis_url)
    enqueue("sync", "note", path=str(tmp_path / "note"), words="again")
    wait_until(lambda: text_of(tmp_path / "note"), 60, "a job after the connection was cut")
    assert started.running


def test_a_worker_whose_queue_is_stopped_while_its_job_works_ends_with_one_sentence(worker, enqueue, tmp_path):
    with valkey_server() as url:
        started = worker("sync", REDIS_URL=url)
        enqueue("sync", "pages", at=url, path=str(tmp_path / "note"))
        horse = horse_of(tmp_path / "note")
        with Redis.from_url(url) as queue:
            queue.shutdown(nosave=True, now=True, force=True)
        assert started.exit_code() == 1
    assert "The queue at REDIS_URL does not answer" in started.output()
    assert "Traceback" not in started.output()
    wait_until(lambda: not alive(horse), 60, "the end of the work horse")
    with valkey_server() as url:
        worker("sync", REDIS_URL=url)
        enqueue("sync", "note", at=url, path=str(tmp_path / "next"), words="next")
        wait_until(lambda: text_of(tmp_path / "next"), 60, "a job on the next worker")


def test_a_worker_whose_connection_is_cut_as_its_job_ends_goes_on_or_ends_with_one_sentence(worker, enqueue, tmp_path, redis_url):
    """Which of the two depends on the moment. Either way the worker neither hangs nor ends as if it had been asked to."""

    def ended_or_done() -> bool:
        return not started.running or bool(text_of(tmp_path / "after"))

    started = worker("sync")
    enqueue("sync", "note", path=str(tmp_path / "before"), words="before")
    wait_until(lambda: text_of(tmp_path / "before"), 60, "a job before the connection was cut")
    cut_connections(redis_url)
    enqueue("sync", "note", path=str(tmp_path / "after"), words="after")
    wait_until(ended_or_done, 120, "the end of the worker, or a job after the connection was cut")
    if not text_of(tmp_path / "after"):
        assert started.exit_code() == 1
        assert "The queue at REDIS_URL does not answer" in started.output()
        worker("sync")
        enqueue("sync", "note", path=str(tmp_path / "after"), words="after")
        wait_until(lambda: text_of(tmp_path / "after"), 60, "the job on the next worker")


@pytest.mark.parametrize("queues", [["nonsense"], ["cron", "sync"], []])
@pytest.mark.sampled(1)
def test_wrong_use_is_refused(processes, queues):
    started = processes.start([sys.executable, "worker.py", *queues])
    assert started.exit_code() == 2
    assert "usage: worker.py" in started.output()


def test_ticks_are_enqueued_as_json_and_do_not_pile_up(scheduler, redis_url):
    for _ in range(2):
        scheduler(TICK_SECONDS="1")
    ticks = rq.Queue("ticks", connection=Redis.from_url(redis_url), serializer=JSONSerializer)
    wait_until(lambda: len(ticks.job_ids) >= 6, 60, "six ticks from two schedulers")
    kept = [job for job in ticks.jobs if job is not None]
    assert len(kept) <= 4
    assert {job.func_name for job in kept} == {"jobs.schedule.tick_on_time"}


def test_the_scheduler_ends_at_once_when_asked(scheduler):
    started = scheduler(TICK_SECONDS="60")
    assert started.stop() == 0


class StopsWhileItEnqueues:
    """A job whose enqueueing asks the scheduler to stop, inside the ``except Exception`` of other code."""

    def __init__(self, job):
        self.job, self.asked = job, False

    def __getattr__(self, name):
        return getattr(self.job, name)

    def enqueue(self, connection):
        self.asked = True
        with suppress(Exception):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)


def test_a_stop_that_library_code_swallows_ends_the_scheduler_before_its_next_sleep(redis_url):
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Redis.from_url(redis_url) as queue:
            scheduler = make_scheduler(queue, tick, 60)
            stops = StopsWhileItEnqueues(scheduler.get_jobs().pop())
            scheduler.get_jobs().append(stops)
            begun = time.monotonic()
            scheduler.start()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert stops.asked
    assert time.monotonic() - begun < 30
