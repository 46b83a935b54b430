"""The check of a feed that is being set up, in a worker: whether its file can be fetched, and what its first rows are. It stores nothing but
the draft's answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from channels import remote_files
from channels.remote_files import Fetched, HostKey, Place
from channels.remote_files.failures import HostKeyUnknown
from errors import AppError, InvalidInput
from services.common.channel_limits import file_limits
from services.feeds import reading
from services.onboarding import feed_setup
from services.onboarding.drafts import OpenDraft, trouble_of
from services.stock import file_columns

FIELDS = {"sign_in_refused": "secret", "no_file": "path", "empty": "path", "page": "path", "too_large": "path"}
"""The field at which a failure is shown, by its code; all others are shown at the address."""


def look(draft: OpenDraft, say: Callable[[str], None]) -> dict[str, Any]:
    """What the check of a draft finds."""
    return look_at(feed_setup.place_of(draft), draft.answers["sheet"], say)


def look_at(place: Place, sheet: str, say: Callable[[str], None]) -> dict[str, Any]:
    """What is at a place: ``check`` as for a shop, with ``headings`` and ``rows`` of the file, or ``key`` where a person has to compare the
    host key first."""
    say("Connecting to the supplier’s server")
    try:
        # Nothing was seen of it before, so it cannot be unchanged.
        fetched = cast(Fetched, remote_files.fetch(place, limits=file_limits()))
    except HostKeyUnknown as error:
        return {"check": trouble_of(error), "key": _key(error.key, place.host_key)}
    except AppError as error:
        field = FIELDS.get(error.code, "address")
        # Nothing is fetched by itself before there is a feed.
        said = {
            "advice": error.advice or "Try again.",
            "field": "address" if field == "path" and place.method == "https" else field,
        }
        return {"check": trouble_of(error) | said}
    say("Reading the first rows")
    with fetched:
        try:
            looked = reading.recognised(fetched.content, sheet)
            file_columns.refuse_narrow(
                looked.headings, InvalidInput("The file has too few columns.", "It needs one of codes and one of quantities.")
            )
        except InvalidInput as error:
            return {"check": trouble_of(error) | {"field": "sheet" if sheet else "address"}}
        good = {"verdict": "good", "message": "", "advice": ""}
        file = {"name": fetched.name, "size": fetched.size, "letters": looked.letters}
        return {"check": good, "headings": looked.headings, "rows": looked.sample, **file}


def _key(key: HostKey, pinned: str) -> dict[str, str]:
    before = HostKey.parse(pinned).fingerprint if pinned else ""
    return {"kind": key.kind, "fingerprint": key.fingerprint, "host_key": str(key), "before": before}
