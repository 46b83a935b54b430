"""Which column of other people's files holds what: suggested, and remembered by a file's headings. It knows neither stock nor shipments: what
their columns mean is for ``stock`` and ``shipping``."""
