"""
Where a running server and those who watch it meet.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

__all__ = ["controlPath"]


def controlPath(environment: Mapping[str, str] = os.environ, user: int | None = None) -> str:
    """
    @param user: the number of who runs this; by default as the system says.

    @return: the path of the control socket where nobody names another: C{TXDNS_CONTROL}, or in the folder that systemd made for the
        service, that of the system's daemons for root, or that of the user's session.
    """
    user = os.geteuid() if user is None else user
    if environment.get("TXDNS_CONTROL"):
        return environment["TXDNS_CONTROL"]
    # With several folders systemd writes colons between them.
    folder = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    if not folder:
        runtime = environment.get("XDG_RUNTIME_DIR", "")
        # Without a session there is only /tmp, which belongs to everybody: our folder in it has to be ours, and is checked to be.
        folder = "/run/txdns" if user == 0 else f"{runtime}/txdns" if runtime else f"/tmp/txdns-{user}"
    return f"{folder}/control.sock"
