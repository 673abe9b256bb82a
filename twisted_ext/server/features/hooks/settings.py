"""
The settings of hooks.
"""

from __future__ import annotations

import os
from typing import Final

from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import RESOLVING, Section, setting

__all__ = ["HooksSettings", "isFile", "nameOf", "partsOf"]

_RIGHT: Final = "package.module:name, or the path of a file and a name, such as /etc/txdns/hooks.py:customer"


def partsOf(word: str) -> tuple[str, str]:
    """
    Return where a hook is, and its name there.

    @raise BadDescription: the word is not valid.
    """
    place, _, name = word.rpartition(":")
    if not place or not name.isidentifier():
        raise BadDescription(f"{word!r} is not a hook; right is {_RIGHT}")
    return place, name


def nameOf(word: str) -> str:
    """
    Return how a hook is called: by its file or module, and its name there.

    @raise BadDescription: the word is not valid.
    """
    place, name = partsOf(word)
    return f"{os.path.basename(place)}:{name}".replace(" ", "_")


def isFile(place: str) -> bool:
    """
    Return whether this is the path of a file, and not a module.
    """
    return place.endswith(".py") or os.sep in place


def _checked(word: str) -> str:
    try:
        partsOf(word)
    except BadDescription:
        # What is right is said by the kind.
        raise ValueError(word) from None
    return word


class _Hook(types.Text):
    """
    A hook. The path of a file is relative to the folder of the settings file if it comes from one.
    """

    def fromTOML(self, value: object, folder: str = "") -> types.Value:
        if isinstance(value, str) and isFile(value.rpartition(":")[0]):
            value = os.path.join(folder, value)
        return super().fromTOML(value)


_HOOK: Final = _Hook(_RIGHT, _checked)


class HooksSettings(Section):
    hook: tuple[str, ...] = setting(
        _HOOK,
        (),
        "Ask this Python function what to answer, before policy zones, lists and the cache. Of several the first one that does not pass "
        "decides. A file that has changed is imported again at a reload",
        group="Access control and replies",
        roles=RESOLVING,
        inView=True,
    )
