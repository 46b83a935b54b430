"""supervisord, run inside this process, with its parts' output on the terminal: one line at a time, named by part."""

from __future__ import annotations

import os
import sys
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from supervisor import events
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ServerOptions
from supervisor.states import SupervisorStates
from supervisor.supervisord import Supervisor

WIDTH = 10
LONGEST_LINE = 64 * 1024


class Terminal:
    """Writes whole lines, ``part | text``. If its reader has gone (a closed pipe), it continues without writing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unfinished: dict[str, bytes] = defaultdict(bytes)

    def say(self, text: str, part: str = "run") -> None:
        self._write("".join(f"{part:<{WIDTH}}| {line}\n" for line in text.splitlines() or [""]).encode("utf-8", "replace"))

    def greet(self, text: str) -> None:
        """Say something that is to be copied: without a name before each line."""
        self._write(f"{text}\n".encode("utf-8", "replace"))

    def output(self, part: str, data: bytes) -> None:
        """Take what a part has printed; its last line is kept until it is complete."""
        *lines, rest = (self._unfinished.pop(part, b"") + data).split(b"\n")
        if len(rest) > LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        if rest:
            self._unfinished[part] = rest
        self._write(b"".join(f"{part:<{WIDTH}}| ".encode() + line + b"\n" for line in lines))

    def _write(self, data: bytes) -> None:
        with self._lock:
            try:
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
            except (OSError, ValueError):
                return


class TerminalSupervisor(Supervisor):
    """supervisord, plus ears for its own events. ``parent`` is the process that ends this one by its own end, or None."""

    def __init__(self, options: ServerOptions, terminal: Terminal, parent: int | None, on_start: Callable[[], None]):
        super().__init__(options)
        self.terminal = terminal
        self.parent = parent
        self.on_start = on_start
        self.down: set[str] = set()

    def runforever(self) -> None:
        events.subscribe(events.ProcessLogEvent, self._printed)
        events.subscribe(events.ProcessStateEvent, self._changed)
        events.subscribe(events.Tick5Event, self._look_at_parent)
        self.on_start()
        super().runforever()

    def _printed(self, event: Any) -> None:
        self.terminal.output(event.process.config.name, event.data)

    def _changed(self, event: Any) -> None:
        name = event.process.config.name
        if self.options.mood < SupervisorStates.RUNNING:
            return
        if isinstance(event, events.ProcessStateExitedEvent):
            self.down.add(name)
            self.terminal.say(f"{name} has ended and is started again")
        elif isinstance(event, events.ProcessStateBackoffEvent):
            self.down.add(name)
            wait = event.process.backoff
            self.terminal.say(f"{name} ended as soon as it had started; it is started again in {wait} s")
        elif isinstance(event, events.ProcessStateRunningEvent) and name in self.down:
            self.down.remove(name)
            self.terminal.say(f"{name} is running again (process {event.process.pid})")

    def _look_at_parent(self, event: Any) -> None:
        if self.parent is not None and os.getppid() != self.parent:
            self.terminal.say("what started this run is gone; stopping")
            self.options.mood = SupervisorStates.SHUTDOWN


def supervise(config_file: Path, terminal: Terminal, parent: int | None, on_start: Callable[[], None]) -> None:
    """Run until SIGINT, SIGTERM or SIGHUP, or until ``parent`` is gone; answers when every part has ended."""
    options = ServerOptions()
    options.realize(["-n", "-c", str(config_file)])
    options.first = True
    options.test = False
    try:
        TerminalSupervisor(options, terminal, parent, on_start).main()
    except asyncore.ExitNow:
        terminal.say("everything has stopped")
    options.close_logger()
