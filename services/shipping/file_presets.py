"""What a remembered assignment of columns may hold, by kind of file: quantities, or tracking numbers."""

from __future__ import annotations

from collections.abc import Mapping

from services.presets.presets import Check
from services.shipping import assignment
from services.stock import file_columns

CHECKS: Mapping[str, Check] = {file_columns.KIND: file_columns.check_preset, assignment.KIND: assignment.check_preset}
LABELS = {field.name: field.label for field in (*assignment.FIELDS, *file_columns.FIELDS)}
"""How people read the fields."""
