"""Runs RQ's workers and RQ's cron scheduler inside one application.

    python worker.py checks messages sync   works on these queues, the first named first
    python worker.py ticks           a worker of its own, so that ticks never wait behind long work
    python worker.py cron            puts a tick on its queue every TICK_SECONDS; several may run

SIGTERM (or Ctrl-C) ends it in order: a job under way is asked to give way at its next page, and is killed where it does not
within ``--patience`` seconds; either way its run is given back, and the next worker goes on with it at once. Where the queue is
away it ends with exit code 1 and one sentence: a supervisor starts it again.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import pkgutil
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

import rq
from flask import Flask
from redis import Redis
from redis.exceptions import RedisError
from rq.cron import CronJob, CronScheduler
from rq.exceptions import DeserializationError, StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from sqlalchemy.orm import configure_mappers

import jobs
import logs
from app import create_app
from errors import AppError
from extensions import db
from jobs import signals
from jobs.work import give_back

PATIENCE = 20
"""Seconds a job may take to give way. Whatever stops the worker should wait a little longer than this."""
ORPHAN_PATIENCE = 5
"""The same for a job whose worker was killed: nobody is there any more to wait for it."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

log = logging.getLogger("cartlink.worker")


class Worker(rq.Worker):
    """RQ's forking worker. Its work horse can be asked to give way, and does not outlive it."""

    max_connection_wait_time = 5.0
    patience = PATIENCE

    def execute_job(self, job: Job, queue: rq.Queue) -> None:
        """Whatever is logged of a job, here and in its work horse, says which run and integration it is about."""
        with logs.about(job=job.id, run=_run_of(job), integration=job.meta.get("integration_id")):
            super().execute_job(job, queue)

    def fork_work_horse(self, job: Job, queue: rq.Queue) -> None:
        """A stop signal that arrives between fork and the horse's own handlers waits for them."""
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            super().fork_work_horse(job, queue)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def setup_work_horse_signals(self) -> None:
        """The first thing a work horse does: it leaves its parent's database connections alone, listens for a stop and
        keeps an eye on its parent. Ctrl-C on a terminal is for the parent, which passes it on in its own way."""
        db.engine.dispose(close=False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda number, frame: signals.stop())
        threading.Thread(target=_give_way_without_parent, args=(self.pid,), daemon=True).start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def handle_warm_shutdown_request(self) -> None:
        """Ask the job under way to give way, and kill it where it does not in time."""
        super().handle_warm_shutdown_request()
        if self.horse_pid:
            with suppress(ProcessLookupError):
                os.kill(self.horse_pid, signal.SIGTERM)
            timer = threading.Timer(self.patience, self._kill_late_horse, (self.horse_pid,))
            timer.daemon = True
            timer.start()

    def horse_lives(self) -> bool:
        """Whether a work horse is left behind; it gives way by itself, and its run back."""
        if not self.horse_pid:
            return False
        try:
            os.kill(self.horse_pid, 0)
        except ProcessLookupError:
            return False
        return True

    def _kill_late_horse(self, pid: int) -> None:
        if self.horse_pid == pid:
            self.log.warning("The job did not give way within %d s and is ended; its run goes on later.", self.patience)
            self.kill_horse()


def _run_of(job: Job) -> int | None:
    """The run a job is for. What cannot be read is told by the work horse, which fails it."""
    with suppress(DeserializationError):
        return job.kwargs.get("run_id")
    return None


def _give_way_without_parent(parent: int | None) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    signals.stop()
    time.sleep(ORPHAN_PATIENCE)
    os._exit(1)


class JsonCronJob(CronJob):
    """RQ's own enqueues with pickle and keeps a history of a thousand jobs; a tick needs neither."""

    def enqueue(self, connection: Redis) -> Job:
        queue = rq.Queue(self.queue_name, connection=connection, serializer=JSONSerializer)
        return queue.enqueue(self.func, args=self.args, kwargs=self.kwargs, **self.job_options)


def make_worker(connection: Redis, queues: Sequence[str], **options: Any) -> Worker:
    """A worker on these queues, the first named first. Raises RedisError where the queue is away."""
    return Worker(
        list(queues), connection=connection, serializer=JSONSerializer, job_monitoring_interval=5, worker_ttl=60,
        maintenance_interval=60, **options,
    )  # fmt: skip


def make_scheduler(connection: Redis, func: Any, every: int) -> CronScheduler:
    """A scheduler that enqueues ``func`` on ``ticks`` every so many seconds. A tick that nobody took is dropped before
    the next one comes."""
    scheduler = CronScheduler(connection=connection)
    scheduler.get_jobs().append(
        JsonCronJob("ticks", func, interval=every, ttl=max(1, every - 1), job_timeout=60, result_ttl=0, failure_ttl=3600)
    )
    return scheduler


def work(app: Flask, queues: Sequence[str], patience: int = PATIENCE, burst: bool = False) -> None:
    """Work until told to stop; with ``burst`` until the queues are empty. ``patience`` is in seconds."""
    # Whatever a job imports is imported before the fork, once, and shared by all work horses.
    for module in pkgutil.iter_modules(jobs.__path__, "jobs."):
        import_module(module.name)
    configure_mappers()
    with app.app_context():
        worker = make_worker(jobs.redis_connection(), queues)
        worker.patience = patience
        gc.collect()
        gc.freeze()
        log.info("Listening on %s", ", ".join(queues))
        # A tick every few seconds is no news.
        level = "WARNING" if list(queues) == ["ticks"] else app.config["CARTLINK"].log_level
        try:
            worker.work(burst=burst, logging_level=level)
        finally:
            if not worker.horse_lives():
                give_back()


def schedule(app: Flask) -> None:
    """Put ticks on their queue until told to stop."""
    tick = import_module("jobs.schedule").tick
    logging.getLogger("rq.cron").setLevel("WARNING")
    log.info("Scheduling ticks")
    # RQ raises this where it is told to stop before its loop has begun.
    with app.app_context(), suppress(StopRequested):
        make_scheduler(jobs.redis_connection(), tick, app.config["CARTLINK"].tick_seconds).start()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="worker.py", description="Run a worker, or with 'cron' the scheduler.")
    parser.add_argument("queues", nargs="+", choices=(*jobs.QUEUES, "cron"), metavar="|".join((*jobs.QUEUES, "cron")))
    parser.add_argument(
        "--patience", type=int, default=PATIENCE, help=f"seconds a job may take to give way (default: {PATIENCE})"
    )
    parser.add_argument("--burst", action="store_true", help="end when the queues are empty")
    given = parser.parse_args(arguments)
    if "cron" in given.queues and len(given.queues) > 1:
        parser.error("'cron' runs by itself")
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
