"""``make run``: everything Cartlink needs on one machine, for one person: settings, secrets, tables, and a supervisor.

    python -m local_run

Production needs none of it: there the Procfile's lines run under whatever supervises that machine.
"""
