"""What the filters of lists share."""

from __future__ import annotations

from wtforms import Form, SelectChoice, SelectField

from services import integrations


def choices(words: dict[str, str]) -> list[SelectChoice]:
    return [SelectChoice(value, label) for value, label in words.items()]


def shop_choices() -> dict[str, str]:
    """Integration id as text -> name, for those present."""
    return {"": "All shops", **{str(each.id): each.name for each in integrations.list_integrations()}}


class ListFilter(Form):
    """A filter that is not one of the choices counts as none. ``DEFAULTS`` are values that go without saying."""

    DEFAULTS: dict[str, str] = {}

    def __init__(self, *args: object, **kwargs: object):
        super().__init__(*args, **kwargs)
        for field in self:
            if isinstance(field, SelectField):
                known = {choice.value for choice in field.choices or ()}
                field.data = field.data if field.data in known else self.DEFAULTS.get(field.name, "")
            else:
                field.data = (field.data or "").strip()[:200]

    def chosen(self) -> dict[str, str]:
        """What is set, as arguments of the page's URL."""
        return {name: value for name, value in self.data.items() if value and value != self.DEFAULTS.get(name)}


def shop_field() -> SelectField:
    return SelectField("Shop", default="")


class ShopFilter(ListFilter):
    """One with a choice of shops, the field ``shop`` made by ``shop_field``."""

    def __init__(self, *args: object, **kwargs: object):
        self.shops = choices(shop_choices())
        super().__init__(*args, **kwargs)

    def process(self, *args: object, **kwargs: object) -> None:
        self.shop.choices = self.shops
        super().process(*args, **kwargs)

    @property
    def integration_id(self) -> int | None:
        return int(self.shop.data) if self.shop.data else None
