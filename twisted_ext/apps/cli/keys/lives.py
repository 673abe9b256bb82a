"""
What commands for keys that live by a policy have in common.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from twisted_ext.apps.cli.keys.made import keyErrors, keysAt
from twisted_ext.apps.cli.terminal.exits import BATCH, ExitError
from twisted_ext.errors import CallerFault
from twisted_ext.wire.rdata.times import dateFromSeconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted_ext.dnssec.rolls.rolls import Rolls

__all__ = ["changeKey", "foldersAt", "shownTime"]


def foldersAt(path: str) -> list[str]:
    """
    Return the folders of keys at a path, each once.

    @raise ExitError: there are none.
    """
    with keyErrors(path):
        return [*dict.fromkeys([os.path.dirname(each) or "." for each in keysAt(path)])]


def changeKey(path: str, change: Callable[[Rolls, str], object]) -> str:
    """
    Change what is known of a key; return its name.

    @param path: that of its files, see L{keysAt}.

    @param change: gets the name as well.

    @raise ExitError: it does not live by a policy, or that cannot be written.
    """
    from twisted_ext.dnssec.privatekeys.keyfolder import loadKey
    from twisted_ext.dnssec.rolls.ring import LivingRing

    with keyErrors(path):
        paths = keysAt(path)
        if len(paths) != 1:
            raise ExitError(BATCH, f"{path}: there are {len(paths)} keys; name one of them")
        folder, name = os.path.split(paths[0])

        try:
            LivingRing.change(folder or ".", loadKey(paths[0]).zone, lambda rolls: change(rolls, name))
        except CallerFault as fault:
            raise ExitError(BATCH, f"{path}: {fault}; txdns keys why shows what is waited for") from None
    return name


def shownTime(moment: float) -> str:
    """
    Return a time, in seconds since 1970, for people.
    """
    text = dateFromSeconds(int(moment))
    return f"{text[:4]}-{text[4:6]}-{text[6:8]} {text[8:10]}:{text[10:12]} UTC"
