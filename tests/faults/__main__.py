"""``python -m tests.faults``: see tests/faults/running.py."""

import sys

from tests.faults.running import main

if __name__ == "__main__":
    sys.exit(main())
