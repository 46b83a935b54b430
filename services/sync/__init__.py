"""When a shop is asked and by which run: the schedule, polls of quiet shops, the execution of a run with its steps, and what its end means
for the integration.

Not for what a step does: reading orders is in ``orders``, reading and pushing stock in ``listings``, write-backs in ``shipping``. The rows and
leases of runs are in ``runs``."""
