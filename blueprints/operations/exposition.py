"""The metrics in the format of Prometheus.

They are read from database and queue on request, so every process gives the same answer:
there are several page servers, and each job runs in a separate process that ends with it, so counters inside processes
would be lost or had to be collected from files. The machine reports what concerns processes (memory and CPU
from the supervisor), and the page server's log says how long pages take.
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
from jobs.metrics import QueueMetrics, read_queue
from services.operations.metrics import BUCKETS, Metrics, read_metrics


def exposition() -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Everything())
    return generate_latest(registry)


class Everything(Collector):
    """A part that does not answer is reported as ``cartlink_up 0``; the metrics of the other part are still there."""

    def collect(self) -> Iterator[Metric]:
        yield gauge("info", "The version of Cartlink.", ("version",), {(VERSION,): 1})
        up = {}
        try:
            metrics = read_metrics()
        except SQLAlchemyError:
            up["database",] = 0
        else:
            up["database",] = 1
            yield from of_database(metrics)
        try:
            queue = read_queue()
        except QueueAway:
            up["queue",] = 0
        else:
            up["queue",] = 1
            yield from of_queue(queue)
        yield gauge("up", "Whether a part answers.", ("part",), up)


def of_database(metrics: Metrics) -> Iterator[Metric]:
    yield counter("runs", "Sync runs that have ended, by kind and outcome.", ("kind", "outcome"), metrics.runs)
    yield counter("run_errors", "Sync runs that ended in an error, by its class.", ("kind", "error"), metrics.errors)
    yield counter(
        "run_rows", "What sync runs did: orders new, changed …; quantities sent, failed …", ("kind", "what"), metrics.rows
    )
    yield durations(metrics)
    by_integration = {(integration,): value for integration, value in metrics.requests.items()}
    yield counter("shop_requests", "Requests to shops, by the integration's id.", ("integration",), by_integration)
    yield gauge("runs_live", "Sync runs that wait or are at work now.", ("kind", "state"), metrics.live)
    yield counter(
        "polls", "Polls of quiet shops, by what they found.", ("found",), {(one,): n for one, n in metrics.polls.items()}
    )
    due = {(kind,): seconds for kind, seconds in metrics.oldest_due.items()}
    yield gauge("oldest_due_seconds", "Since when the longest waiting integration is due.", ("kind",), due)
    waiting = {(what,): count for what, count in metrics.waiting.items()}
    yield gauge("waiting", "What waits for a person, a shop or a mail server.", ("what",), waiting)


def of_queue(queue: QueueMetrics) -> Iterator[Metric]:
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


def counter(name: str, text: str, labels: tuple[str, ...], values: dict) -> Metric:
    family = CounterMetricFamily(f"cartlink_{name}", text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def gauge(name: str, text: str, labels: tuple[str, ...], values: dict) -> Metric:
    family = GaugeMetricFamily(f"cartlink_{name}", text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def durations(metrics: Metrics) -> Metric:
    """Durations of finished runs, from claim to end, including pauses."""
    family = HistogramMetricFamily("cartlink_run_seconds", "How long sync runs took.", labels=("kind",))
    for kind, seconds in metrics.seconds.items():
        buckets, count = [], 0.0
        for most in BUCKETS:
            count += metrics.within.get((kind, most), 0.0)
            buckets.append((f"{most}.0", count))
        count += metrics.within.get((kind, 0), 0.0)
        family.add_metric((kind,), [*buckets, ("+Inf", count)], seconds)
    return family
