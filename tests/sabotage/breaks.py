"""The deliberate breaks: exact texts of the code and what stands there instead.

A text that is not there exactly once fails loudly (``make sabotage ARGS=--check``, and test_breaks.py): a person who changes the
code adapts the break."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Edit:
    """One replacement in one file."""

    path: str
    old: str
    new: str

    def applied(self, text: str) -> str:
        """The text with the replacement made. Raises ValueError."""
        if text.count(self.old) != 1:
            raise ValueError(f"{self.path} holds this text {text.count(self.old)} times: {self.old!r}")
        return text.replace(self.old, self.new)


@dataclass(frozen=True)
class Break:
    """One deliberate mistake. Days of the fault suite run on ``db`` first unless ``days`` is False, then ``tests`` (arguments of
    pytest)."""

    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...] = ()
    db: str = "sqlite"
    days: bool = True

    def trouble(self, root: Path) -> str:
        """Why the break does not fit the code; empty if it does."""
        try:
            for edit in self.edits:
                edit.applied((root / edit.path).read_text(encoding="utf-8"))
        except (ValueError, OSError) as trouble:
            return str(trouble)
        return ""


def broken(name: str, path: str, old: str, new: str, *tests: str, **more) -> Break:
    """A break of one replacement."""
    return Break(name, (Edit(path, old, new),), tests, **more)


CLASSICS: tuple[Break, ...] = (
    broken(
        "a commit without the lease", "services/runs/lease.py",
        "if changed_rows(extended) != 1:", "if changed_rows(extended) > 1:", "tests/services/runs/test_runs.py",
    ),
    broken(
        "a run is claimed without its condition", "services/runs/lifecycle.py",
        'RUNS.claim(run_id, SyncRun.state == "queued", **values)', "RUNS.claim(run_id, **values)", "tests/services/runs/test_runs.py",
    ),
    broken(
        "leases are released too early", "services/runs/lifecycle.py",
        "SyncRun.lease_until < utcnow())", "SyncRun.lease_until < utcnow() + timedelta(hours=1))", "tests/services/runs/test_runs.py",
    ),
    broken(
        "a run ignores the switch", "services/runs/lease.py",
        "if not row.enabled or row.removed_at is not None:", "if row.removed_at is not None:", "tests/services/runs/test_runs.py",
    ),
    broken(
        "a run goes on after it was asked to stop", "services/runs/lease.py",
        "        if row.stop_requested:", "        if row.stop_requested and not row.enabled:", "tests/services/runs/test_runs.py",
    ),
    broken(
        "a page of a removed shop is stored", "services/runs/lease.py",
        '{"integration_id": self.integration_id}).scalar_one() is not None:',
        '{"integration_id": self.integration_id}).scalar_one() == 0:', "tests/services/runs/test_runs.py",
    ),
    broken(
        "a push without reading orders first", "services/listings/stock_push.py",
        "        fresh_orders()\n        moved", "        moved",
    ),
    broken(
        "sales between requests not noticed", "services/stock/movements.py",
        "    return moved", "    return set()", "tests/services/listings/test_sales_between_requests.py",
    ),
    broken(
        "every push is approved", "services/listings/stock_push.py",
        'if integration.push_gate == "open" and not _too_much(', 'if integration.push_gate or _too_much(',
        "tests/services/listings/test_push.py::test_the_safety_limit_stops_a_push_that_would_change_much",
    ),
    broken(
        "a listing counts as settled whatever the books say", "services/listings/push_results.py",
        "    listing.stale = wanted != quantity", "    listing.stale = False",
        "tests/services/listings/test_push.py::test_stock_that_moves_while_its_quantity_is_on_the_way_is_sent_next",
    ),
    broken(
        "a refused row is sent again by every run", "services/listings/push_results.py",
        'listing.push_state, listing.push_error, listing.stale = "refused", result.reason, False',
        'listing.push_state, listing.push_error, listing.stale = "refused", result.reason, True',
        "tests/services/listings/test_push_failures.py::test_a_row_the_shops_own_program_refuses_is_put_aside_until_its_quantity_changes_or_the_next_reading",
    ),
    broken(
        "the watermark is saved before the orders", "services/orders/download.py",
        "        read = _read_rows(channel, storing, page.orders, known, lease)\n        with lease.page():\n"
        "            bad += _store_page(lease, channel, storing, page, read) + page.passed",
        "        with lease.page():\n            db.session.get_one(Shop, storing.shop_id).orders_read_to = utcnow() - OVERLAP\n"
        "        read = _read_rows(channel, storing, page.orders, known, lease)\n        with lease.page():\n"
        "            bad += _store_page(lease, channel, storing, page, read) + page.passed",
        "tests/services/stock/test_interleavings.py", "tests/services/orders/test_download.py",
    ),
    broken(
        "a write-back without reading the order first", "channels/xcart/addon/shipments.py",
        "        raw = self._raw(external_id)\n        before = self._read(external_id, raw)\n        same_order(stored_order(raw, None))\n",
        "        before = DefaultOrder(order_id=int(external_id))\n", "tests/channels/test_shipment.py",
    ),
    broken(
        "a tracking number is sent again", "channels/xcart/addon/shipments.py",
        "missing = [number for number in _clean(tracking_numbers) if number not in before.tracking]",
        "missing = list(_clean(tracking_numbers))", "tests/channels/test_shipment.py",
    ),
    broken(
        "a sale does not make the listings of other shops stale", "services/orders/store.py",
        "        ledger.request_push(stored.touched)\n    return stored", "    return stored",
    ),
    broken(
        "a write-back is sent backwards", "channels/xcart/statuses.py",
        "    if present is None:\n        return \"\"\n    code", "    if present is not target:\n        return \"\"\n    code",
        "tests/channels/test_shipment.py",
    ),
    broken(
        "a write-back of a dead worker waits for ever", "services/shipping/write_backs.py",
        'WriteBack.state.in_(("waiting", "sending")),\n        or_(WriteBack.state == "sending", WriteBack.due_at <= utcnow()),',
        'WriteBack.state == "waiting", WriteBack.due_at <= utcnow(),', "tests/services/shipping/test_shipments.py",
    ),
    broken(
        "an order is stored twice", "services/orders/store.py",
        "        if order.external_id not in known:", "        if known.get(order.external_id) is None or known[order.external_id].digest != digest:",
    ),
    broken(
        "a cancelled order keeps what it reserved", "services/stock/allocations.py",
        "        units = each.reserved - keep * each.units\n", "        units = 0\n",
    ),
    broken(
        "shipping does not free what was reserved", "services/stock/allocations.py",
        "        each.reserved -= held\n", "",
    ),
    broken(
        "a level changes without a ledger entry", "services/stock/ledger.py",
        "    db.session.add(entry)\n    return [entry]", "    return [entry]",
    ),
    broken(
        "new stock is not given to orders that lack it", "services/stock/allocations.py",
        "    if item.on_hand <= item.reserved:\n", "    if item.on_hand >= item.reserved:\n",
    ),
    broken(
        "a run that was on a lost queue stays there", "services/sync/schedule.py",
        "or_(SyncRun.enqueued_at.is_(None), SyncRun.enqueued_at < now - LOST_IN_QUEUE),", "SyncRun.enqueued_at.is_(None),",
    ),
    broken(
        "a deadlock is not tried again", "services/common/deadlocks.py",
        'return state in ("40P01", "40001") or', 'return state == "none" and', "tests/services/common/test_deadlocks.py", days=False,
    ),
    broken(
        "orders that changed are left as they were", "services/orders/store.py",
        "        elif known[order.external_id].digest == digest and", "        elif known[order.external_id].digest and",
    ),
    broken(
        "a run is put on the queue before it is committed", "services/runs/lifecycle.py",
        "            session.flush()\n            record_change(STARTED",
        "            session.flush()\n            import jobs\n\n"
        '            run.enqueues, run.enqueued_at = 1, utcnow()\n'
        '            jobs.queue("sync").enqueue(jobs.RUN_JOB, kwargs={"run_id": run.id}, job_id=f"run-{run.id}-1")\n'
        "            record_change(STARTED",
        "tests/jobs/test_enqueueing.py",
    ),
)  # fmt: skip

OLD_BEHAVIOUR: tuple[Break, ...] = (
    Break(
        "A1: a write that fails for a passing reason is a refusal",
        (
            Edit(
                "services/listings/push_results.py", '    if result.outcome == "refused":\n        listing.clear_failure()',
                "    if result.reason:\n        listing.clear_failure()",
            ),
            Edit(
                "services/listings/push_results.py", 'values = {"push_error": trouble.message, "push_due_at": again}',
                'values = {"push_error": trouble.message, "stale": False}',
            ),
        ),
        ("tests/services/listings/test_push_failures.py", "tests/services/listings/test_push_outages.py"),
    ),
    broken(
        "A4: only cancelled and declined orders put units back", "channels/xcart/stages.py",
        "    return True if shipping in SHIPPING else None", "    return False", "tests/services/orders/test_put_back_there.py",
    ),
    broken(
        "B1: a reading by change does not find the order that the shop cannot print", "channels/xcart/api/orders.py",
        "        above = range(suspects.highest + 1,", "        return []\n        above = range(suspects.highest + 1,",
        "tests/services/orders/test_unprintable.py",
    ),
    Break(
        "B2: shipped is sent for an order that was cancelled meanwhile",
        (
            Edit("channels/xcart/api/shipments.py", "            refuse_to_ship(shown.payment)\n", "            pass\n"),
            Edit(
                "channels/xcart/addon/shipments.py",
                '            refuse_to_ship((before.paymentStatus and before.paymentStatus.code) or "")\n', "            pass\n",
            ),
        ),
        ("tests/services/shipping/test_called_off.py",),
    ),
    broken(
        "B3: an order id that is used again is taken for an edit", "services/orders/superseding.py",
        "        if found == REUSED:", '        if found == "never":', "tests/services/orders/test_ids_used_again.py",
    ),
    Break(
        "B4: lines are matched by their SKU alone",
        (
            Edit("services/order_basics/line_matching.py", "if line.item_id and (old.item_id", "if not line.goods and (old.item_id"),
            Edit("services/order_basics/line_matching.py", "    by_id = all(line.item_id for line in shown)", "    by_id = False"),
            Edit(
                "services/order_basics/line_matching.py",
                "    lambda line: (line.goods, line.options, line.price, line.quantity),\n    lambda line: (line.goods, line.options, line.price),\n"
                "    lambda line: (line.goods, line.options),\n    lambda line: (line.goods, line.price),\n", "",
            ),
            Edit("services/order_basics/line_matching.py", "    if not any(old.shipped for old in olds) or", "    if olds or"),
        ),
        ("tests/services/order_basics/test_lines_of_one_sku.py",),
    ),
    broken(
        "B6: the watermark comes from the Date header", "services/orders/download.py",
        "    mark = min(newest, utcnow() - OVERLAP)\n", "    return max(shop_time or newest, read_to)\n    mark = newest\n",
        "tests/services/orders/test_clocks.py",
    ),
    Break(
        "B7: one absurd order stops all others",
        (
            Edit("channels/xcart/parsing/parts.py", "    if value > MOST_PIECES:", "    if value > 10**30:"),
            Edit(
                "services/orders/store.py", "        if not is_bad_data(error):\n            raise\n        log.warning",
                "        raise\n        log.warning",
            ),
        ),
        ("tests/services/orders/test_absurd_orders.py",),
        days=False,
    ),
    broken(
        "D1: SKUs are compared letter by letter", "models/sku_key.py",
        "    tidied = tidy(sku)\n", "    return sku[:LONGEST]\n    tidied = tidy(sku)\n", "tests/services/stock/test_sku_keys.py", days=False,
    ),
    broken(
        "D4: the command has a second, laxer reader of stock files", "services/stock/file_imports.py",
        "    return _checked(files.upload(content, name, actor, sheet=sheet))\n",
        "    import csv\n\n    rows = [(row['sku'].strip(), int(row['quantity'])) for row in csv.DictReader(content.decode().splitlines())]\n"
        "    content = ''.join(f'{sku},{count}\\n' for sku, count in [('sku', 'quantity'), *rows]).encode()\n"
        "    return _checked(files.upload(content, name, actor, sheet=sheet))\n",
        "tests/services/common/test_round_trip.py", days=False,
    ),
)  # fmt: skip
"""How the field cases behaved before they were fixed."""

SFTP, WEB = "tests/channels/test_remote_sftp.py", "tests/channels/test_remote_web.py"
OTHER_SERVERS: tuple[Break, ...] = (
    broken("a redirect takes the secret to another server", "channels/remote_files/web.py", " or not same_server:", ":", WEB, days=False),
    broken(
        "a packed file may grow without end", "channels/remote_files/contents.py",
        "            raise too_large(self._source.host, self._most)\n", "            pass\n", WEB, days=False,
    ),
    broken(
        "a web page is read as a table", "channels/remote_files/contents.py", "    if is_page(head):\n", "    if False:\n", WEB, days=False,
    ),
    broken(
        "the password goes to a server with another key", "channels/remote_files/ssh.py",
        "        if shown != pinned:\n", "        if False:\n", SFTP, days=False,
    ),
    broken(
        "a file over SFTP is read while it grows", "channels/remote_files/sftp.py",
        "        _expect_same(visit, found, _look(visit, found.name))\n        return", "        return", SFTP, days=False,
    ),
    broken(
        "half a file over SFTP is used", "channels/remote_files/sftp.py",
        "        if intake.size != found.size:\n", "        if False:\n", SFTP, days=False,
    ),
    broken(
        "a file of somebody else is overwritten", "channels/remote_files/sftp.py", '.open(path, "wx")', '.open(path, "w")', SFTP, days=False,
    ),
)  # fmt: skip
"""Files that are fetched from other servers, or put there."""

LATER: tuple[Break, ...] = (
    broken(
        "one wrong answer about the key is believed", "channels/xcart/addon/client.py",
        "            return ask()\n        except KeyRejected:\n", "            return ask()\n        except KeyError:\n",
        "tests/services/monitoring/test_key_answers.py", days=False,
    ),
    broken(
        "a job's name is given on while its worker begins it", "jobs/names.py",
        "not waits and _seen_taken_for(queue, job) >= SILENT", "not waits", "tests/jobs/test_enqueueing.py", days=False,
    ),
    broken(
        "several tracking numbers are sent as one", "services/shipping/shipments.py",
        "    if wrong := tracking_numbers.trouble(tracking_number):", "    if wrong := ():", "tests/services/shipping/test_tracking_numbers.py",
        days=False,
    ),
    broken(
        "a sign-in goes on after its password was reset", "services/accounts/begun.py",
        " and user.password_hash != password_hash\n", " and False\n", "tests/blueprints/test_reset_meanwhile.py", days=False,
    ),
)  # fmt: skip
"""What was found after that."""

BREAKS = (*OLD_BEHAVIOUR, *CLASSICS, *OTHER_SERVERS, *LATER)
