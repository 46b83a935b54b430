"""What operators need: addresses for probes and monitors, and privacy."""

from blueprints.operations import machines, privacy

blueprints = [machines.bp, privacy.bp]

__all__ = ["blueprints"]
