"""
Run a program as on a machine with another C{resolv.conf}.

    python -m tests.live.programs.elsewhere RESOLV_CONF SCRIPT [WORD ...]

It creates no resolver, and chooses no reactor before the program does.
"""

from __future__ import annotations

import runpy
import sys

from twisted_ext.resolver.system import configured

__all__ = ["run"]


def run(resolvConf: str, script: str, words: list[str]) -> None:
    """
    Run the script.

    @param words: the arguments of the script in C{sys.argv}.
    """
    vars(configured)["SYSTEM_RESOLV_CONF"] = resolvConf
    sys.argv = [script, *words]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], sys.argv[3:])
