"""Two things measured in turn, each in its own process, and what their times say of each other."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

FORK = multiprocessing.get_context("fork")


def in_child(act: Callable[..., Any], *arguments: Any, seconds: float = 120) -> Any:
    """What ``act`` answers, computed in a forked child: like a work horse it starts with everything imported and nothing
    used yet, looks for garbage only in what is new (as ``worker.py`` sees to), and what it leaves behind goes with it.
    Raises RuntimeError where it fails or takes too long."""
    receiver, sender = FORK.Pipe(duplex=False)
    child = FORK.Process(target=_report, args=(sender, act, arguments), daemon=True)
    gc.collect()
    gc.freeze()
    child.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            raise RuntimeError(f"{act.__name__} gave no answer within {seconds} s")
        good, answer = receiver.recv()
    except EOFError:
        raise RuntimeError(f"{act.__name__} ended without an answer") from None
    finally:
        child.join(5)
        if child.is_alive():
            child.kill()
            child.join(5)
        receiver.close()
        gc.unfreeze()
    if not good:
        raise RuntimeError(answer)
    return answer


def _report(sender: Any, act: Callable[..., Any], arguments: Sequence[Any]) -> None:
    import traceback

    try:
        sender.send((True, act(*arguments)))
    except Exception:
        sender.send((False, f"{act.__name__} failed:\n{traceback.format_exc()}"))
    finally:
        sender.close()


def alternate(one: Callable[[], float], other: Callable[[], float], times: int) -> tuple[list[float], list[float]]:
    """Measure ``one`` and ``other`` in turn, so that whatever else the machine does falls on both."""
    ones: list[float] = []
    others: list[float] = []
    for _ in range(times):
        ones.append(one())
        others.append(other())
    return ones, others


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios pair by pair."""
    return median(mine / peer for mine, peer in zip(ours, theirs, strict=True))


def samples(ours: Sequence[float], theirs: Sequence[float], unit: str = "s") -> dict[str, Any]:
    """Both sides' samples and medians, for the JSON."""
    return {
        f"ours_{unit}": [round(each, 5) for each in ours], f"baseline_{unit}": [round(each, 5) for each in theirs],
        f"ours_median_{unit}": round(median(ours), 5), f"baseline_median_{unit}": round(median(theirs), 5),
        "ratios": [round(mine / peer, 4) for mine, peer in zip(ours, theirs, strict=True)],
    }  # fmt: skip
