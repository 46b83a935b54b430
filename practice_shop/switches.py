"""The switches of a shop itself, as its modules and its server have them, with the type of each."""

SWITCHES = {
    "natural_order": str,
    "supports_update_date": bool,
    "has_variants_module": bool,
    "newer_api": bool,
    "mail_fails": bool,
    "server_utc_offset": int,
    "currency": str,
}


def check_switches(switches: dict) -> None:
    """Raises ValueError for a switch that does not exist and for a value of another type."""
    for name, value in switches.items():
        if name not in SWITCHES:
            raise ValueError(f"There is no switch {name!r}. There are: {', '.join(SWITCHES)}.")
        if type(value) is not SWITCHES[name]:
            raise ValueError(f"{name} is a {SWITCHES[name].__name__}.")
