"""The queue worked off in place, in the test's own process."""

from __future__ import annotations

import jobs
from extensions import db


def work_off(*names: str) -> int:
    """Do every job that waits on these queues (default: checks, then files and runs) and what they enqueue in turn; at most two
    hundred. Answers with their number."""
    done = 0
    while done < 200:
        job = next((job for name in names or ("checks", "files", "sync") for job in jobs.queue(name).get_jobs(0, 1)), None)
        if job is None:
            break
        jobs.queue(job.origin).remove(job)
        job.func(*job.args, **job.kwargs)
        job.delete()
        done += 1
    db.session.rollback()
    return done
