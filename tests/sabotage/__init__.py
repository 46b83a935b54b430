"""Deliberate breaks of Cartlink, each of which a suite has to find. ``make sabotage`` applies them to copies of the code."""
