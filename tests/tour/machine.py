"""
A machine with its own network, with the servers that the original tour uses, and a C{resolv.conf} that names one.

    python -m tests.tour.machine WORD ...

runs C{python WORD ...} in it. It needs Linux namespaces, for which no privileges are needed where the system allows them (unshare(1)).
Nothing changes outside of them, and nothing leaves this machine.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from twisted.internet.interfaces import IReactorTime

from tests.docs.serving import serveUntilInputEnds
from tests.test_architecture import ROOT
from twisted_ext.apps.cli.demo import server
from twisted_ext.client import reverseName
from twisted_ext.testing.servers import Reply
from twisted_ext.testing.sources import rrsetOf

__all__ = ["ADDRESSES", "RECORDS", "UNSHARE", "usable"]

#: The addresses of the servers: that of C{resolv.conf}, and those in the tour.
ADDRESSES: Final = ("127.0.0.53", "8.8.8.8", "8.8.4.4")

#: The records of these servers when the tour was written, and of the hosts on a well-known page about asyncio.
RECORDS: Final[dict[tuple[str, str], Reply]] = {
    ("www.example.com", "AAAA"): "2606:2800:220:6d:26bf:1447:1097:aa7",
    ("example.com", "A"): "93.184.216.119",
    ("twistedmatrix.com", "MX"): lambda question: [rrsetOf(question.name, question.rrType, "10 mail.twistedmatrix.com.", 1)],
    ("pymotw.com", "A"): "66.33.211.242",
    ("doughellmann.com", "A"): "66.33.211.240",
    ("python.org", "A"): "23.253.135.79",
    ("python.org", "AAAA"): "2001:4802:7901:0:e60a:1375:0:6",
    (reverseName("66.33.211.242"), "PTR"): "apache2-echo.catalina.dreamhost.com.",
    (reverseName("127.0.0.1"), "PTR"): lambda question: [rrsetOf(question.name, question.rrType, "localhost.", 86400)],
}

#: A network, mounts and privileges of its own, which end with the parent process.
UNSHARE: Final = ("unshare", "--user", "--map-root-user", "--net", "--mount", "--fork", "--kill-child")

_SIOCSIFADDR: Final = 0x8916
_SIOCSIFFLAGS: Final = 0x8914
_UP_AND_RUNNING: Final = 0x41


def usable() -> bool:
    """
    Return whether this system allows such a machine.
    """
    if shutil.which(UNSHARE[0]) is None or shutil.which("mount") is None:
        return False
    return subprocess.run([*UNSHARE, "mount", "--bind", "/etc/hosts", "/etc/resolv.conf"], capture_output=True).returncode == 0


def _addAddresses() -> None:
    """
    Bring the loopback interface up, with all addresses.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _UP_AND_RUNNING))
        for number, address in enumerate(ADDRESSES[1:]):
            name = f"lo:{number}".encode()
            packed = struct.pack("16sHH4s16x", name, socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(control, _SIOCSIFADDR, packed)


def _listen(reactor: IReactorTime) -> str:
    """
    Start the servers.
    """
    canned = server(RECORDS)
    for address in ADDRESSES:
        canned.listen(reactor, 53, address)
    return "ready"


def _inside(words: list[str]) -> int:
    _addAddresses()
    with tempfile.TemporaryDirectory() as folder:
        for path, text in (("/etc/resolv.conf", f"nameserver {ADDRESSES[0]}\nsearch .\n"), ("/etc/hosts", "127.0.0.1 localhost\n")):
            instead = Path(folder, Path(path).name)
            instead.write_text(text)
            subprocess.run(["mount", "--bind", str(instead), path], check=True)
        serve = [sys.executable, "-m", "tests.tour.machine", "--serve"]
        with subprocess.Popen(serve, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as servers:
            assert servers.stdout is not None and servers.stdin is not None
            servers.stdout.readline()
            try:
                return subprocess.call([sys.executable, *words])
            finally:
                servers.stdin.close()


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serveUntilInputEnds(_listen)
    elif sys.argv[1] == "--inside":
        sys.exit(_inside(sys.argv[2:]))
    else:
        os.execvp(UNSHARE[0], [*UNSHARE, sys.executable, "-m", "tests.tour.machine", "--inside", *sys.argv[1:]])
