"""
Run a listing as on a machine with another C{resolv.conf}, hosts file and services file.

    python -m tests.docs.running RESOLV_CONF HOSTS SERVICES SCRIPT [WORD ...]

The functions of L{twisted_ext.client} use C{client.theResolver}, so a resolver of these files is put there first, as any program can do. A
listing that creates its own resolver is not affected.
"""

from __future__ import annotations

import runpy
import sys
from unittest.mock import patch

from twisted_ext import client
from twisted_ext.addrinfo import services as ports

__all__ = ["run"]


def run(resolvConf: str, hosts: str, services: str, script: str, words: list[str]) -> None:
    """
    Run the script.

    @param words: the arguments of the script in C{sys.argv}.
    """
    client.theResolver = client.createResolver(resolvconf=resolvConf, hosts=hosts)
    sys.argv = [script, *words]
    with patch.object(ports, "systemServicesPath", lambda: services):
        runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:])
