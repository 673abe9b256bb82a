"""
Files that tests build once for all processes of a run.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

__all__ = ["builtOnce"]


def builtOnce(folders: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Path:
    """
    Return a folder of temporary files. The first process of the run that asks for it builds its contents; the others wait for them.

    @param build: called with the empty folder.
    """
    base = folders.getbasetemp()
    # With pytest-xdist each process has a folder of its own within that of the run.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    finished = folder.with_suffix(".finished")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            # Left by a build that failed.
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder)
            finished.touch()
    return folder
