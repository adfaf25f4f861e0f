"""What Slurm says of the job around a process, asked of a `squeue` that answers as it does."""

import os
from datetime import datetime

import pytest

from sauerkraut.slurm import commands


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """Let `squeue` print this of job 7, and nothing of any other."""

    def squeue(text):
        command = tmp_path / "squeue"
        expected = "--noheader --jobs=7 --format=%e"
        command.write_text(f'#!/bin/sh\n[ "$*" = "{expected}" ] && echo "{text}"\n')
        command.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    monkeypatch.setenv("SLURM_JOB_ID", "7")
    return squeue


def test_the_end_of_the_job_is_told_in_local_time(squeue):
    squeue("2030-03-01T12:00:30")
    assert commands.end_time() == datetime(2030, 3, 1, 12, 0, 30).timestamp()  # noqa: DTZ001 - Slurm tells local time


@pytest.mark.parametrize("text", ["N/A", "Unknown", "", "NONE"])
def test_a_job_without_a_limit_has_no_end(squeue, text):
    squeue(text)
    assert commands.end_time() is None


def test_outside_of_a_job_nothing_is_asked(squeue, monkeypatch):
    squeue("2030-03-01T12:00:30")
    monkeypatch.delenv("SLURM_JOB_ID")
    assert commands.end_time() is None
