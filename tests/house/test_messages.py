"""No message to a merchant names a setting of the server: it says what they can do, and what to ask the person who runs Cartlink."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.processes import ROOT

SETTINGS = set(re.findall(r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"', (ROOT / "config.py").read_text(encoding="utf-8")))
NAMED = re.compile(rf"\b(?:{'|'.join(sorted(SETTINGS))})\b")
CODE = ("services", "channels", "blueprints", "errors.py")
FOR_OPERATORS = {
    "services/operations/backup.py": "Commands that only the person who runs Cartlink gives.",
    "services/operations/doctor.py": "What `flask doctor` prints. Of it, Today shows only the sentence about the last backup.",
    "services/operations/readiness.py": "What probes and monitors read.",
    "services/security/keyring.py": "The commands that renew the keyring.",
    "blueprints/operations/machines.py": "What monitors read.",
}
"""Files whose messages no merchant sees, with the reason."""


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The texts in a module, without docstrings and single words such as names of settings that it reads."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    described = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in described and " " in node.value:
            yield node.lineno, node.value


def test_no_message_names_a_setting_of_the_server() -> None:
    assert {"SMTP_HOST", "ALLOW_PRIVATE_ENDPOINTS", "REDIS_URL", "PUBLIC_URL"} <= SETTINGS
    modules = [path for name in CODE for path in ([ROOT / name] if name.endswith(".py") else sorted((ROOT / name).rglob("*.py")))]
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in modules if str(path.relative_to(ROOT)) not in FOR_OPERATORS
        for line, text in texts(path) if NAMED.search(text)
    ]  # fmt: skip
    found += [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in sorted((ROOT / "templates").rglob("*.html"))
        for match in NAMED.finditer(path.read_text(encoding="utf-8"))
    ]
    assert not found
    assert all((ROOT / name).exists() for name in FOR_OPERATORS)
