"""Retired words do not come back. docs/glossary.md has the words that replace them.

The test reads code, comments, templates, messages and documents as one text in which names are split into words, so that ``give_way``
and ``giveWay`` count as "give way". ``retired_words.txt`` says how often a retired word may still stand in a folder. The numbers only
go down: ``python -m tests.house.test_words`` writes the file again with the numbers of today."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LEFT = Path(__file__).with_name("retired_words.txt")
FOLDERS = (
    "api", "bench", "blueprints", "channels", "cli", "deploy", "docs", "jobs", "local_run", "models", "practice_shop", "services",
    "templates", "tests", "tools",
)  # fmt: skip
KINDS = {".py", ".html", ".md", ".txt", ".toml", ".css", ".js", ".sh"}
EXEMPT = (Path(__file__), LEFT, ROOT / "CHANGELOG.md")

RETIRED = {
    # What replaces it, and the pattern, in lower case and with blanks between the words of a name.
    "pause": r"g(?:ive|ives|iving|ave|iven) way",
    "encrypt": r"seal(?:s|ed|ing)?",
    "decrypt": r"unseal(?:s|ed|ing)?",
    "import preview": r"rehears(?:e|es|ed|al|als|ing)",
    "safety limit": r"brakes?",
    "watermark": r"bookmarks?",
    "daily reconciliation": r"receipts?",
    "preference": r"wish(?:es)?",
    "notification": r"(?:a|the|this|each|every|no|one|open|unread) notices?",
    "metrics": r"figures",
    "deadlock": r"clash(?:es|ed)?",
    "send, say, show": r"told",
    "evaluate, decide": r"judg(?:e|es|ed|ing|ement|ements)",
    "count, assume": r"reckon(?:s|ed|ing)?",
    "fix": r"mend(?:s|ed|ing)?",
    "obey, watch": r"heed(?:s|ed)?",
    "again": r"anew",
    "anyone who": r"whoever",
    "still, anyway": r"all the same",
    "should": r"ought to",
    "even if": r"be it",
    "own": r"of its own",
    "email": r"e-mails?",
    # Labels and sentences of pages.
    "Notification settings": r"what you are told of",
    "Sync status": r"how it is doing",
    "Ready to ship": r"becomes work",
    "All statuses": r"[\"'>]every (?:state|kind|outcome|receipt)",
    "Import stock": r"set by file",
    "Import tracking numbers": r"ship by file",
    "selected": r"with the ticked ones",
    "Check again": r"evaluate the stored copy again",
    "mark as seen": r"acknowledg(?:e|es|ed|ing)",
    "not sent": r"untold",
    "allocate": r"allot(?:s|ted|ting|ment|ments)?",
    "Maximum available": r"at most available",
    "Ask me before changing more than": r"but at least so many listings",
    "Stock and schedule": r"stock and rhythm",
    "needs your approval": r"waits for your yes",
    "Set password": r"keep this password",
    "Creating another link cancels this one": r"makes this one void",
    "A key is saved": r"is kept already",
    "Units used per sale": r"units for one piece",
    "Or match to an existing item": r"or our sku",
    "(leave it out)": r"this is said once",
}
ALLOWED = r"""
    of\ its\ own\ accord | be\ it\W
"""
# Searched one by one and without a boundary before them: so Python looks for their first letters, which is three times as fast.
_PATTERNS = [re.compile(rf"{pattern}(?!\w)") for pattern in RETIRED.values()]
_ALLOWED = re.compile(ALLOWED, re.VERBOSE)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def words_of(text: str) -> str:
    """The text in lower case, with names split into words and one blank for all white space."""
    return " ".join(_CAMEL.sub(" ", text).replace("_", " ").replace("’", "'").lower().split())


def retired_in(text: str) -> Counter[str]:
    words = _ALLOWED.sub(" ", words_of(text))
    every = (found for pattern in _PATTERNS for found in pattern.finditer(words))
    return Counter(found.group() for found in every if not words[max(found.start() - 1, 0) : found.start()].isalnum())


def files() -> list[Path]:
    inside = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in KINDS]
    beside = [path for path in ROOT.iterdir() if path.suffix in {".py", ".md", ".toml"} or path.name in {"Makefile", "Procfile"}]
    return sorted(path for path in (*inside, *beside) if path not in EXEMPT and path.is_file())


def counted() -> dict[tuple[str, str], int]:
    """(folder, word as it stands there) -> how often."""
    found: Counter[tuple[str, str]] = Counter()
    for path in files():
        name = path.relative_to(ROOT)
        folder = name.parts[0] if len(name.parts) > 1 else "."
        for word, times in (retired_in(path.read_text(encoding="utf-8")) + retired_in(name.stem)).items():
            found[folder, word] += times
    return dict(found)


def still_there() -> dict[tuple[str, str], int]:
    rows = (line.split("\t") for line in LEFT.read_text(encoding="utf-8").splitlines() if line)
    return {(folder, word): int(times) for folder, word, times in rows}


def replacement(word: str) -> str:
    return next(instead for instead, pattern in RETIRED.items() if re.fullmatch(pattern, word))


def places(folder: str, word: str) -> list[str]:
    return [
        str(path.relative_to(ROOT)) for path in files()
        if (path.relative_to(ROOT).parts[0] == folder or path.parent == ROOT and folder == ".")
        and word in retired_in(path.read_text(encoding="utf-8")) + retired_in(path.stem)
    ]  # fmt: skip


def test_no_retired_word_comes_back():
    left = still_there()
    more = {place: times for place, times in counted().items() if times > left.get(place, 0)}
    assert not more, "\n".join(
        f"{folder}/: {word!r} {times} times, {left.get((folder, word), 0)} are left. Write {replacement(word)!r}. In "
        + ", ".join(places(folder, word))
        for (folder, word), times in sorted(more.items())
    )


def test_names_and_sentences_are_read_as_words():
    assert retired_in("def giveWay(): ...  # a run that gave way, and whoever\n# was told") == {
        "give way": 1, "gave way": 1, "whoever": 1, "told": 1,
    }  # fmt: skip
    assert not retired_in("part_shipped, a status code, recommend, the sealant")


if __name__ == "__main__":
    LEFT.write_text(
        "".join(f"{folder}\t{word}\t{times}\n" for (folder, word), times in sorted(counted().items())), encoding="utf-8"
    )
