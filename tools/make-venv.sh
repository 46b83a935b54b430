#!/bin/sh
# Makes .venv with the first Python of 3.11 or later that can.
set -u
old=""
for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
    program=$(command -v "$name") || continue
    if "$program" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        if "$program" -c 'import ensurepip, venv' 2>/dev/null; then
            "$program" -m venv .venv && exit 0
            rm -rf .venv
            echo "$program could not make .venv here." >&2
            exit 1
        fi
        old="$program cannot make virtual environments: install its venv module (Debian and Ubuntu: apt install python3-venv)."
    fi
done
echo "${old:-Cartlink needs Python 3.11 or later, and there is none on this machine: install it (Debian and Ubuntu: apt install python3 python3-venv).}" >&2
exit 1
