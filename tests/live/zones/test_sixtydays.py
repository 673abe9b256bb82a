"""
A zone that a server keeps signed for sixty days, validated by Unbound all the time.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.live.twistds import Twistd, wait
from tests.live.zones.test_signedzones import ask
from tests.peers import peer, unbound
from tests.server.zones.load.signed import APEX, NAME, SignedLoadingCase
from twisted_ext.dnssec.privatekeys.keyfolder import loadKeys
from twisted_ext.dnssec.privatekeys.validity import Validity
from twisted_ext.wire.codes import AD, Rcode
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rdata.text import recordToText
from twisted_ext.wire.rrtypes import DS, RRSIG
from twisted_ext.zone.store.version import Version

_DAYS = 60

#: Names, types and whether there are such records.
_QUESTIONS = [
    *[(f"h{number}.{NAME}", "A", True) for number in range(20)],
    (NAME, "SOA", True), (NAME, "DNSKEY", True), (f"nothing.{NAME}", "A", False), (f"h7.{NAME}", "AAAA", True),
]  # fmt: skip


class SixtyDaysTests(SignedLoadingCase):
    """
    Unbound gets the date of each look.
    """

    def judge(self, now: float, version: Version) -> float:
        """
        Serve a version, and have Unbound ask for everything.

        @return: the least life of a signature that it got, in seconds.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        path = folder.absolute() / "signed"
        path.write_text("".join([f"{line}\n" for node in version.nodes() for each in node.sets for line in recordToText(each)]))
        (key,) = loadKeys(str(self.keys), APEX)
        lines = [
            f'trust-anchor: "{NAME}. DS {rdataToText(DS, key.key.ds(APEX))}"', f'local-zone: "{NAME}." nodefault',
            f'val-override-date: "{time.strftime("%Y%m%d%H%M%S", time.gmtime(now))}"', "val-sig-skew-min: 0", "val-sig-skew-max: 0",
        ]  # fmt: skip
        least = float("inf")
        with (
            Twistd(folder, "serve", "--zone", f"{NAME}={path}") as server,
            unbound(forwardTo=[("127.0.0.1", server.port)], extra="\n".join(lines)) as resolver,
        ):
            wait(lambda: server.gives(f"h0.{NAME}", ["192.0.2.1"]), server)
            for name, kind, isThere in _QUESTIONS:
                reply = ask(resolver.port, name, kind)
                self.assertEqual(reply.rcode, Rcode.NOERROR if isThere else Rcode.NXDOMAIN, name)
                self.assertTrue(reply.flags & AD, (now, name, kind))
                ends = [
                    int.from_bytes(rdata[8:12], "big") for each in (*reply.answer, *reply.authority) if each.rrType == RRSIG
                    for rdata in each.rdatas
                ]  # fmt: skip
                self.assertTrue(ends)
                least = min(least, min(ends) - now)
        return least

    def look(self, every: int) -> None:
        """
        Have each version judged that is served at the end of a number of hours.
        """
        peer("unbound")
        looks = [self.judge(now, version) for hour, (now, _, version) in enumerate(self.hours(_DAYS)) if hour % every == every - 1]
        self.assertEqual(len(looks), _DAYS * 24 // every)
        self.assertGreaterEqual(min(looks), Validity().least - 3600)

    def test_fourLooks(self) -> None:
        """
        Each answer is secure, and each signature has the life that the policy gives.
        """
        self.look(15 * 24)

    @pytest.mark.long
    def test_eachHalfDay(self) -> None:
        """
        The same, twice a day.
        """
        self.look(12)
