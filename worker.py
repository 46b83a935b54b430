"""Runs RQ's workers and RQ's cron scheduler inside one application.

    python worker.py checks messages files sync   works on these queues, the first named first
    python worker.py sync messages   a worker that takes nothing that people start and no files, so that no sync waits for these
    python worker.py ticks           a separate worker, so that ticks never wait behind long work
    python worker.py cron            puts a tick on its queue every TICK_SECONDS; several may run

SIGTERM (or Ctrl-C) ends it in order: the current job is asked to pause at its next page, and is killed if it does not
within ``--patience`` seconds. Either way its run is returned, and the next worker continues with it at once. If the queue is away when
it starts, or goes away while it works, it ends with exit code 1 and one sentence, and a supervisor starts it again.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, cast

import rq
from flask import Flask
from redis import Redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout
from rq.cron import CronJob, CronScheduler
from rq.exceptions import DeserializationError, StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer

import jobs
import logs
from app import create_app
from errors import AppError
from extensions import db
from jobs import RUN_JOB, signals
from jobs.imports import import_ahead
from jobs.names import MONITORED_EVERY
from jobs.runs import return_leases

PATIENCE = 20
"""Seconds that a job may take to pause. The supervisor should wait a little longer before it kills the worker."""
ORPHAN_PATIENCE = 5
"""The same for a job whose worker was killed."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

OLD_RUN_JOBS = frozenset(f"jobs.{kind}.run" for kind in ("orders", "stock", "listings", "shipments", "receipts", "undo"))
"""Names that the job of a run had before version 0.9.0. A queue may still hold such jobs during the update."""

log = logging.getLogger("cartlink.worker")


class Worker(rq.Worker):
    """RQ's forking worker. Its work horse can be asked to pause, and does not outlive it."""

    max_connection_wait_time = 5.0
    patience = PATIENCE

    def execute_job(self, job: Job, queue: rq.Queue) -> None:
        """Each log line about a job, here and in its work horse, names its run and integration."""
        run_id = _run_of(job)
        if run_id is not None and job.func_name in OLD_RUN_JOBS:
            job.func_name = RUN_JOB
        with logs.about(job=job.id, run=run_id, integration=job.meta.get("integration_id")):
            super().execute_job(job, queue)

    def fork_work_horse(self, job: Job, queue: rq.Queue) -> None:
        """Hold back stop signals between the fork and the work horse's own signal handlers."""
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            super().fork_work_horse(job, queue)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def setup_work_horse_signals(self) -> None:
        """The first thing a work horse does: it drops its parent's database connections, handles stop signals and
        watches its parent. Ctrl-C on a terminal is for the parent, which passes it on."""
        db.engine.dispose(close=False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda number, frame: signals.stop())
        threading.Thread(target=_pause_without_parent, args=(self.pid,), daemon=True).start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def handle_warm_shutdown_request(self) -> None:
        """Ask the current job to pause, and kill it if it does not in time. An idle worker is stopped by an exception that RQ
        raises here; where library code swallows it, the flag ends the loop at its next pass."""
        self._stop_requested = True
        super().handle_warm_shutdown_request()
        if self.horse_pid:
            with suppress(ProcessLookupError):
                os.kill(self.horse_pid, signal.SIGTERM)
            timer = threading.Timer(self.patience, self._kill_late_horse, (self.horse_pid,))
            timer.daemon = True
            timer.start()

    def horse_lives(self) -> bool:
        """Whether a work horse is still alive; it pauses and returns its run by itself."""
        if not self.horse_pid:
            return False
        try:
            os.kill(self.horse_pid, 0)
        except ProcessLookupError:
            return False
        return True

    def _kill_late_horse(self, pid: int) -> None:
        if self.horse_pid == pid:
            self.log.warning("The job did not pause within %d s and is ended; its run continues later.", self.patience)
            self.kill_horse()


def _run_of(job: Job) -> int | None:
    """The run of a job. None if the job cannot be read; its work horse then fails it."""
    with suppress(DeserializationError):
        return job.kwargs.get("run_id")
    return None


def _pause_without_parent(parent: int | None) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    signals.stop()
    time.sleep(ORPHAN_PATIENCE)
    os._exit(1)


class LoopError(logging.Filter):
    """RQ's loop logs the error that ended it, and returns as if the worker had been asked to stop. This keeps the error, so
    that ``work`` can raise it, and drops RQ's line with its traceback."""

    error: BaseException | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.ERROR or "quitting..." not in str(record.msg):
            return True
        self.error = record.exc_info[1] if record.exc_info else RedisTimeout("no answer in time")
        return False


class JsonCronJob(CronJob):
    """RQ's own class enqueues with pickle and keeps a history of a thousand jobs; a tick needs neither."""

    def enqueue(self, connection: Redis) -> Job:
        queue = rq.Queue(self.queue_name, connection=connection, serializer=JSONSerializer)
        return queue.enqueue(cast(Callable[..., Any], self.func), args=self.args, kwargs=self.kwargs, **self.job_options)


class Scheduler(CronScheduler):
    """RQ's scheduler is stopped by an exception that its signal handler raises. Where library code swallows it (a finaliser, a
    broad ``except``), the request is still seen before the next sleep."""

    _asked_to_stop = False

    def _request_stop(self, signum: int, frame: Any) -> None:
        self._asked_to_stop = True
        super()._request_stop(signum, frame)

    def calculate_sleep_interval(self) -> float:
        if self._asked_to_stop:
            raise StopRequested
        return super().calculate_sleep_interval()


def make_worker(connection: Redis, queues: Sequence[str], **options: Any) -> Worker:
    """A worker on these queues, in this order. Raises RedisError if the queue is away."""
    return Worker(
        list(queues), connection=connection, serializer=JSONSerializer, job_monitoring_interval=MONITORED_EVERY, worker_ttl=60,
        maintenance_interval=60, **options,
    )  # fmt: skip


def make_scheduler(connection: Redis, func: Any, every: int) -> Scheduler:
    """A scheduler that enqueues ``func`` on ``ticks`` every so many seconds. A tick that no worker has taken is dropped before
    the next one comes."""
    scheduler = Scheduler(connection=connection)
    scheduler.get_jobs().append(
        JsonCronJob("ticks", func, interval=every, ttl=max(1, every - 1), job_timeout=60, result_ttl=0, failure_ttl=3600)
    )
    return scheduler


def work(app: Flask, queues: Sequence[str], patience: int = PATIENCE, burst: bool = False) -> None:
    """Work until asked to stop; with ``burst`` until the queues are empty. ``patience`` is in seconds.

    An idle worker waits for a queue that is away. One that is busy when the connection is lost raises RedisError. The schedule
    enqueues again what it had taken."""
    import_ahead()
    with app.app_context():
        worker = make_worker(jobs.redis_connection(), queues)
        worker.patience = patience
        gc.collect()
        gc.freeze()
        log.info("Listening on %s", ", ".join(queues))
        # A tick every few seconds is not worth a log line.
        level = "WARNING" if list(queues) == ["ticks"] else app.config["CARTLINK"].log_level
        loop = LoopError()
        worker.log.addFilter(loop)
        try:
            worker.work(burst=burst, logging_level=level)
            if loop.error:
                raise loop.error
        finally:
            worker.log.removeFilter(loop)
            if not worker.horse_lives():
                return_leases()


def schedule(app: Flask) -> None:
    """Put ticks on their queue until asked to stop."""
    tick = import_module("jobs.schedule").tick_on_time
    logging.getLogger("rq.cron").setLevel("WARNING")
    # RQ raises StopRequested if it is asked to stop before its loop has begun.
    with app.app_context(), suppress(StopRequested):
        scheduler = make_scheduler(jobs.redis_connection(), tick, app.config["CARTLINK"].tick_seconds)
        scheduler._install_signal_handlers()
        log.info("Scheduling ticks")
        scheduler.start()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="worker.py", description="Run a worker, or with 'cron' the scheduler.")
    parser.add_argument("queues", nargs="+", choices=(*jobs.QUEUES, "cron"), metavar="|".join((*jobs.QUEUES, "cron")))
    parser.add_argument("--patience", type=int, default=PATIENCE, help=f"seconds a job may take to pause (default: {PATIENCE})")
    parser.add_argument("--burst", action="store_true", help="end when the queues are empty")
    given = parser.parse_args(arguments)
    if "cron" in given.queues and len(given.queues) > 1:
        parser.error("'cron' runs alone")
    try:
        app = create_app()
        if given.queues == ["cron"]:
            schedule(app)
        else:
            work(app, given.queues, given.patience, given.burst)
    except AppError as error:
        print(error.sentence(), file=sys.stderr)
        return 1
    except RedisError as error:
        print(f"The queue at REDIS_URL does not answer ({error}).", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
