"""
The path of the control socket.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

__all__ = ["controlPaths", "isOwn"]


def controlPaths(environment: Mapping[str, str] = os.environ, user: int | None = None) -> tuple[str, ...]:
    """
    List the default paths of the control socket. A server uses the first of these whose folder only it can write to. A client tries all of
    them, since its environment may differ from the server's: one started by systemd or cron has no session.

    All are in folders that other users cannot create, hence none in C{/tmp}.

    @param user: a user ID; by default that of this process.

    @return: only C{TXDNS_CONTROL} if it is set; else those in the folder that systemd made for the service, in the folder of system daemons
        for root, in the user's session folder, and in the user's state folder.
    """
    user = os.geteuid() if user is None else user
    if environment.get("TXDNS_CONTROL"):
        return (environment["TXDNS_CONTROL"],)
    folders: list[str] = []
    # systemd separates several folders with colons.
    if made := environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]:
        folders.append(made)
    if user == 0:
        folders.append("/run/txdns")
    else:
        if session := environment.get("XDG_RUNTIME_DIR"):
            folders.append(f"{session}/txdns")
        folders.append(f"/run/user/{user}/txdns")
        home = environment.get("HOME") or _homeOf(user)
        if state := environment.get("XDG_STATE_HOME") or (f"{home}/.local/state" if home else ""):
            folders.append(f"{state}/txdns")
        # So that clients of a server run by root get an error that says that access is denied.
        folders.append("/run/txdns")
    return tuple(dict.fromkeys([f"{folder}/control.sock" for folder in folders if os.path.isabs(folder)]))


def _homeOf(user: int) -> str:
    try:
        import pwd

        return pwd.getpwuid(user).pw_dir
    except (ImportError, KeyError):
        return ""


def isOwn(folder: str) -> bool:
    """
    Return whether a folder belongs to this user or to root, and no other user can write to it.

    @raise OSError: stat() failed.
    """
    found = os.lstat(folder)
    return stat.S_ISDIR(found.st_mode) and found.st_uid in (0, os.geteuid()) and not found.st_mode & 0o022
