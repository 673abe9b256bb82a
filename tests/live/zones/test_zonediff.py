"""
C{txdns zone diff} between a file and the zone of a server.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest_twisted

from tests.live.zones.replicating import hosting
from tests.typed import outputAndValue
from tests.zone.changing import ZONE
from twisted_ext.apps.cli.terminal.exits import NO_REPLY, OK
from twisted_ext.apps.cli.zone.args import DIFFERENT

__all__: list[str] = []



@pytest_twisted.ensureDeferred
async def test_fileIsComparedWithServer(tmp_path: Path) -> None:
    """
    The zone of a server is compared with a file. A server that refuses the transfer is reported.
    """
    path = tmp_path / "example.org.zone"
    path.write_text("$TTL 300\n" + ZONE)
    async with hosting() as host:
        host.serve()
        words = ["-m", "twisted_ext.apps.cli.main", "zone", "diff", str(path), f"@{host.address}:{host.port}"]
        out, error, code = await outputAndValue(sys.executable, words)
        assert (out, code) == (b"", NO_REPLY), error
        assert b"REFUSED" in error
        host.apply(allow_transfer=["127.0.0.0/8"])
        out, error, code = await outputAndValue(sys.executable, words)
        assert (out, code) == (b"", OK), error
        path.write_text(path.read_text().replace("192.0.2.3", "192.0.2.66"))
        out, error, code = await outputAndValue(sys.executable, words)
        assert code == DIFFERENT, error
        assert sorted(line[:1] for line in out.splitlines()) == [b"+", b"-"]
