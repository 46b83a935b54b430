"""The undo of a stock update as a job."""

from jobs.work import work_on_run


def run(run_id: int) -> None:
    work_on_run(run_id)
