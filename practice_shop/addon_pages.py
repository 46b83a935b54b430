"""What the add-on prints for a row, a list and a single entity, in either schema."""

from . import addon_complex, addon_entities, addon_query, addon_single
from .pages import KeptPages, Page

PLAIN = {
    "product": addon_entities.product_columns,
    "variant": addon_entities.variant_columns,
    "order": addon_entities.order_columns,
    "tracking": addon_entities.tracking_columns,
    "item": addon_entities.item_columns,
    "payment-status": addon_entities.status_columns,
    "shipping-status": addon_entities.status_columns,
}


class AddonPages:
    """The rendering of one shop's add-on. Callers hold the store's lock."""

    def __init__(self, store):
        self.store = store
        self._kept = KeptPages(store)

    def get(self, kind: str, schema: str, cnd, shift: int = 0) -> Page:
        """The page a list request gets. Raises what `addon_query.select` raises, and `BrokenOrder`."""
        store = self.store

        def find() -> list:
            if isinstance(cnd, dict):
                return addon_query.select(store, kind, cnd, shift)
            return addon_query.table(store, kind)

        key = (kind, schema, repr(cnd), shift, store.natural_order, store.supports_update_date)
        return self._kept.page(key, find, lambda row: self.row(kind, schema, row))

    def row(self, kind: str, schema: str, row) -> bytes:
        """One row of a list, rendered."""
        return self._kept.row(f"{kind}/{schema}", row, lambda: self._render(kind, schema, row))

    def single(self, kind: str, schema: str, row) -> dict:
        """One entity as its own path shows it."""
        if schema == "complex":
            return self._render(kind, schema, row)
        if kind in ("payment-status", "shipping-status"):
            return addon_single.status(row)
        return getattr(addon_single, kind)(self.store, row)

    def _render(self, kind: str, schema: str, row) -> dict:
        if schema == "complex":
            return getattr(addon_complex, kind)(self.store, row)
        return PLAIN[kind](row)
