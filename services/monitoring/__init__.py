"""What is wrong, and since when: causes become incidents, probes find out whether a shop answers again, and shops without new orders are noticed.

Not for the messages about it, which are in ``notify``, nor for health as pages show it, which is in ``shops``."""
