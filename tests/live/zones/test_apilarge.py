"""
Live tests of the HTTP API: changes that take long.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.live.twistds import wait
from tests.live.zones.test_api import Api, api, change
from tests.live.zones.test_apizones import restarted
from tests.live.zones.test_updates import ask, found, serialOf
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.rrtypes import SOA, A

__all__ = ["api"]

_MANY = 20_000


def _sets(address: str) -> list[dict[str, object]]:
    return [change(f"n{number}.example.org.", "A", "REPLACE", f"{address}.{number >> 8}.{number & 255}") for number in range(_MANY)]


def test_manyAtOnce(api: Api) -> None:
    """
    Clients of DNS are answered all the while that thousands of records are changed: with all of them changed, or with none.
    """
    last = f"n{_MANY - 1}.example.org"
    # Made first, or the client would be busy meanwhile.
    body = json.dumps({"rrsets": _sets("10.1")}).encode()
    with ThreadPoolExecutor(1) as pool:
        changing = pool.submit(api.ask, "PATCH", "/api/v1/servers/localhost/zones/example.org.", body)
        answered = []
        while not changing.done():
            before, there, after = serialOf(api.server), bool(found(api.server, last, A)), serialOf(api.server)
            assert before != after or there == (before == 11)
            answered.append(before)
        assert changing.result()[0] == 204
    # In one turn, the second question would have been answered behind the change.
    assert answered.count(10) > 15
    assert (serialOf(api.server), found(api.server, last, A)) == (11, {"10.1.78.31"})


def test_wrongOneAmongMany(api: Api) -> None:
    """
    One RRset among thousands that cannot be used is named, and nothing is changed.
    """
    sets = _sets("10.1")
    code, said = api.patch(*sets[:-1], {**sets[-1], "ttl": "x"})
    assert (code, said["error"]) == (422, f"RRset n{_MANY - 1}.example.org. IN A: Key 'ttl' is not a valid number")
    code, said = api.patch(*sets[:-1], {"name": 3})
    assert (code, said["error"]) == (422, f"Expected `str`, got `int` - at `$.rrsets[{_MANY - 1}].name`")
    code, said = api.patch(*sets, change("www.example.org.", "CNAME", "REPLACE", "other.example."))
    assert code == 422
    assert (serialOf(api.server), found(api.server, "n0.example.org", A)) == (10, set())


def test_olderSerial(api: Api) -> None:
    """
    An SOA record with an older serial number than that of the zone is written with the next one.
    """
    for serial, later in ((3, 11), (11, 12), (20, 20)):
        content = f"ns1.example.org. hostmaster.example.org. {serial} {10800 + serial} 3600 604800 3600"
        assert api.patch(change("example.org.", "SOA", "REPLACE", content, ttl=3600))[0] == 204
        assert serialOf(api.server) == later


@pytest.mark.parametrize("delay", [0.05, 0.2, 0.4, 0.6])
def test_killedMeanwhile(api: Api, delay: float) -> None:
    """
    Of a change that a crash meets, all is there afterwards, or nothing; all, if it was acknowledged.
    """
    with ThreadPoolExecutor(1) as pool:
        changing = pool.submit(_patched, api)
        time.sleep(delay)
        process = api.twistd.process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        acknowledged = changing.result()
    process.wait()
    restarted(api)
    wait(lambda: ask(api.server, "example.org", SOA).rcode == Rcode.NOERROR, api.twistd)
    there = [bool(found(api.server, f"n{number}.example.org", A)) for number in (0, 1, 50, 9999, _MANY - 2, _MANY - 1)]
    assert there in ([False] * 6, [True] * 6)
    assert there[0] or not acknowledged


def _patched(api: Api) -> bool:
    """
    Return whether the change was acknowledged.
    """
    try:
        return api.patch(*_sets("10.2"))[0] == 204
    except (OSError, http.client.HTTPException):
        return False
