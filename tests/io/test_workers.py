"""Worker processes: started once for several runs, and light."""

from __future__ import annotations

from armoire.io.workers import run_tasks

PID = "__import__('os').getpid()"


def pids(tasks: int = 8) -> set[int]:
    return {pid for _, pid in run_tasks(eval, [PID] * tasks, 1)}


def test_workers_wait_for_the_next_run():
    assert pids() == pids()


def test_workers_of_an_abandoned_run_end():
    before = pids()
    run = run_tasks(eval, [PID] * 8, 1)
    next(run)
    run.close()
    assert pids().isdisjoint(before)


def test_workers_that_read_images_do_not_import_torch():
    loaded = "'torch' in [__import__('armoire.images.packing'), *__import__('sys').modules]"
    next(closing := run_tasks(eval, [PID], 3))
    closing.close()  # new workers: others may have encoded
    assert list(run_tasks(eval, [loaded], 3)) == [(0, False)]


def test_the_caller_can_report_while_tasks_run(tmp_path):
    """The task ends when the caller has written a file."""
    file = tmp_path / "seen"
    until_seen = f"any(iter(lambda: __import__('os').path.exists({str(file)!r}), True))"
    assert list(run_tasks(eval, [until_seen], 1, file.touch)) == [(0, False)]
