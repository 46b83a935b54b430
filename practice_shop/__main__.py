"""`python -m practice_shop`: run a practice shop until it is stopped."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from .generate import VARIANT_SHARE
from .shop import FULL_KEY, GENERATIONS, READ_KEY, PracticeShop
from .state import keep_saved, load_store


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m practice_shop", description="Run a shop that behaves as X-Cart does.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8081, help="0 takes a free one (default: 8081)")
    parser.add_argument("--products", type=int, default=60)
    parser.add_argument("--orders", type=int, default=120)
    parser.add_argument("--days", type=float, default=30, help="how far back the orders go")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same shop")
    parser.add_argument("--orders-per-minute", type=float, default=0, help="how fast the shop goes on selling")
    parser.add_argument("--key", default=FULL_KEY, help=f"the full key (default: {FULL_KEY})")
    parser.add_argument("--read-key", default=READ_KEY, help=f"the read-only key (default: {READ_KEY})")
    parser.add_argument("--generation", choices=GENERATIONS, default="addon", help="which API it speaks (default: addon)")
    parser.add_argument("--base-path", default="", help="the folder the shop lives in, such as /shop")
    parser.add_argument(
        "--variant-share", type=float, default=VARIANT_SHARE, help="share of products with variants (default: 0.12)"
    )
    parser.add_argument("--state", type=Path, metavar="FILE", help="keep the shop in this file, and go on with it next time")
    parser.add_argument("--page-latency", type=float, default=0, metavar="MS", help="milliseconds added to each answer")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    state = options.state
    del options.state
    made_from = (options.products, options.orders, options.days, options.seed, options.variant_share)
    shop = PracticeShop(**vars(options), store=load_store(state, made_from) if state else None)
    try:
        shop.start()
    except OSError as failure:
        sys.stderr.write(f"The practice shop cannot listen on {options.host}:{options.port}: {failure.strerror}.\n")
        return 1
    sys.stdout.write(f"Practice shop ready at {shop.url}  key {shop.key}  read-only key {shop.read_key}\n")
    sys.stdout.flush()
    if state:
        keep_saved(shop.store, state, made_from, stop)
    stop.wait()
    shop.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
