"""
What commands for keys that live by a policy have in common.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from twisted_ext.apps.cli.keys.made import keyErrors, keysAt
from twisted_ext.apps.cli.terminal.exits import BATCH, ExitError

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted_ext.dnssec.rolls.rolls import Rolls
    from twisted_ext.dnssec.rolls.states import RollingKey

__all__ = ["changeKey", "foldersAt"]


def foldersAt(path: str) -> list[str]:
    """
    Return the folders of keys at a path, each once.

    @raise ExitError: there are none.
    """
    with keyErrors(path):
        return [*dict.fromkeys([os.path.dirname(each) or "." for each in keysAt(path)])]


def changeKey(path: str, change: Callable[[Rolls, RollingKey], object]) -> str:
    """
    Change what is known of a key; return its name.

    @param path: that of its files, see L{keysAt}.

    @raise ExitError: it does not live by a policy, or that cannot be written.
    """
    from twisted_ext.dnssec.privatekeys.keyfolder import loadKey
    from twisted_ext.dnssec.rolls.ring import LivingRing

    with keyErrors(path):
        paths = keysAt(path)
        if len(paths) != 1:
            raise ExitError(BATCH, f"{path}: there are {len(paths)} keys; name one of them")
        folder, name = os.path.split(paths[0])

        def changed(rolls: Rolls) -> None:
            key = next((each for each in rolls.keys if each.name == name), None)
            if key is None:
                raise ExitError(BATCH, f"{path}: the key is not in use, and is not to be")
            change(rolls, key)

        LivingRing.change(folder or ".", loadKey(paths[0]).zone, changed)
    return name
