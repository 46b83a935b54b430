"""The figures in the form a Prometheus reads.

All of them are read from the database and the queue when they are asked for, and are the same whichever process answers:
there are several page servers, and each job is done by a process that ends with it, so what processes count by themselves
would be gone or would have to be gathered from files. What is known of a process is its machine's to tell (its supervisor's
memory and CPU figures), and how long pages take is in the page server's own log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from config import VERSION
from errors import QueueAway
from jobs.figures import QueueFigures, read_queue
from services.figures import BUCKETS, Figures, read_figures


def exposition() -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Everything())
    return generate_latest(registry)


class Everything(Collector):
    """A part that does not answer is told as ``cartlink_up 0``, and the other's figures are there all the same."""

    def collect(self) -> Iterator[Metric]:
        yield gauge("info", "The version of Cartlink.", ("version",), {(VERSION,): 1})
        up = {}
        try:
            figures = read_figures()
        except SQLAlchemyError:
            up["database",] = 0
        else:
            up["database",] = 1
            yield from of_database(figures)
        try:
            queue = read_queue()
        except QueueAway:
            up["queue",] = 0
        else:
            up["queue",] = 1
            yield from of_queue(queue)
        yield gauge("up", "Whether a part answers.", ("part",), up)


def of_database(figures: Figures) -> Iterator[Metric]:
    yield counter("runs", "Sync runs that have ended, by kind and outcome.", ("kind", "outcome"), figures.runs)
    yield counter("run_errors", "Sync runs that ended in an error, by its class.", ("kind", "error"), figures.errors)
    yield counter(
        "run_rows", "What sync runs did: orders new, changed …; quantities sent, failed …", ("kind", "what"), figures.rows
    )
    yield durations(figures)
    by_integration = {(integration,): value for integration, value in figures.requests.items()}
    yield counter("shop_requests", "Requests to shops, by the integration's id.", ("integration",), by_integration)
    yield gauge("runs_live", "Sync runs that wait or are at work now.", ("kind", "state"), figures.live)
    due = {(kind,): seconds for kind, seconds in figures.oldest_due.items()}
    yield gauge("oldest_due_seconds", "Since when the longest waiting integration is due.", ("kind",), due)
    waiting = {(what,): count for what, count in figures.waiting.items()}
    yield gauge("waiting", "What waits for a person, a shop or a mail server.", ("what",), waiting)


def of_queue(queue: QueueFigures) -> Iterator[Metric]:
    yield gauge("queue_jobs", "Jobs that wait on a queue.", ("queue",), {(name,): n for name, n in queue.depth.items()})
    yield gauge(
        "queue_failed_jobs", "Jobs whose process ended badly.", ("queue",), {(name,): n for name, n in queue.failed.items()}
    )
    listening = Counter((name,) for worker in queue.workers for name in worker.queues)
    yield gauge("workers", "Workers that listen to a queue.", ("queue",), {(name,): listening[name,] for name in queue.depth})
    busy = sum(worker.state == "busy" for worker in queue.workers)
    yield gauge("workers_busy", "Workers that have a job in hand.", (), {(): busy})
    yield gauge("schedulers", "Schedulers that are alive.", (), {(): queue.schedulers})
    if queue.ticked is not None:
        yield gauge("last_tick_seconds", "Since when there was no tick.", (), {(): queue.ticked})


def counter(name: str, told: str, labels: tuple[str, ...], values: dict) -> Metric:
    family = CounterMetricFamily(f"cartlink_{name}", told, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def gauge(name: str, told: str, labels: tuple[str, ...], values: dict) -> Metric:
    family = GaugeMetricFamily(f"cartlink_{name}", told, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def durations(figures: Figures) -> Metric:
    """Of finished runs, from their claim to their end, waiting in between included."""
    family = HistogramMetricFamily("cartlink_run_seconds", "How long sync runs took.", labels=("kind",))
    for kind, seconds in figures.seconds.items():
        buckets, count = [], 0.0
        for most in BUCKETS:
            count += figures.within.get((kind, most), 0.0)
            buckets.append((f"{most}.0", count))
        count += figures.within.get((kind, 0), 0.0)
        family.add_metric((kind,), [*buckets, ("+Inf", count)], seconds)
    return family
