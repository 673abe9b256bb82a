"""
Hooks: functions of an application that decide what a server answers, and may wait for what they decide by.

The parameters of the function are what its verdict depends on. It is told these and nothing else, and the verdict is kept under their
values, so no client gets what was decided for another one::

    @hook(seconds=0.25, otherwise=refuse(), keep=60)
    async def customer(name, client):
        rows = await pool.runQuery("SELECT 1 FROM blocked WHERE client = ? AND name = ?", (client, name))
        return refuse("not in your plan") if rows else PASS
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.lazy import lazyNames

if TYPE_CHECKING:
    from twisted_ext.hooks.answered import Answered
    from twisted_ext.hooks.functions import Hook, Hooked, hook
    from twisted_ext.hooks.verdicts import (
        DROP,
        PASS,
        TRUNCATE,
        Verdict,
        answer,
        ask,
        nodata,
        nxdomain,
        refuse,
        upstream,
        view,
    )

__all__ = [
    "DROP",
    "PASS",
    "TRUNCATE",
    "Answered",
    "Hook",
    "Hooked",
    "Verdict",
    "answer",
    "ask",
    "hook",
    "nodata",
    "nxdomain",
    "refuse",
    "upstream",
    "view",
]

_FUNCTIONS = ("Hook", "Hooked", "hook")

__getattr__, __dir__ = lazyNames(
    __name__,
    {
        "twisted_ext.hooks.answered": ["Answered"],
        "twisted_ext.hooks.functions": _FUNCTIONS,
        "twisted_ext.hooks.verdicts": [each for each in __all__ if each not in ("Answered", *_FUNCTIONS)],
    },
)
