"""Events for programs: what changed, in one order, and its delivery to event endpoints.

Triggers of the database capture changes (models/captured.py); this package gives them positions and types, shows them, and sends them. It is
not for messages to people; those are in ``notify``."""
