"""The fault suite: random schedules of what shops, sellers and machines do, with faults in the middle of it.

``make faults`` runs it; ``docs/faults.md`` says what it does and how a failure is replayed."""
