"""
Tests of L{twisted_ext.server.features.blocking.pauses}, and of pauses in a whole server.
"""

from __future__ import annotations

from typing import cast

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.features.blocking.listcase import ListCase
from tests.server.operations.seeing import talk
from tests.server.process.test_workers import Processes
from tests.server.test_service import ServiceCase
from twisted_ext.errors import CallerFault
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.blocking.pauses import Pauses
from twisted_ext.server.listeners.sockets import boundSockets
from twisted_ext.server.operations.control import controlSite
from twisted_ext.server.process.workers import Workforce


class PausesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.changes = 0
        self.pauses = Pauses(cast(IReactorTime, self.clock), self._changed, lambda: 1_795_000_000.0 + self.clock.seconds())
        self.pauses.apply(["children", "guests"])

    def _changed(self) -> None:
        self.changes += 1

    def test_pauseEndsByItself(self) -> None:
        """
        Pauses of several views end each in its time.
        """
        (said,) = self.pauses.pause("children", "5m")
        self.assertRegex(said, r"^blocking is paused for view children until \d\d:\d\d:\d\d$")
        self.pauses.pause("default", "1h30m")
        self.assertEqual(self.pauses.paused, ["", "children"])
        shown = [line.partition(" until ")[0] for line in self.pauses.said()]
        self.assertEqual(shown, ["  paused for clients in no view", "  paused for view children"])
        self.clock.advance(299)
        self.pauses.look()
        self.assertEqual((self.pauses.paused, self.changes), (["", "children"], 2))
        self.clock.advance(1)
        self.pauses.look()
        self.assertEqual((self.pauses.paused, self.changes), ([""], 3))
        self.clock.advance(5100)
        self.pauses.look()
        self.assertEqual((self.pauses.paused, self.changes), ([], 4))

    def test_allViews(self) -> None:
        """
        All views are paused and resumed at once; a second pause replaces the first.
        """
        self.assertEqual(len(self.pauses.pause("all", "1h")), 3)
        self.pauses.pause("guests", "1s")
        self.clock.advance(1)
        self.pauses.look()
        self.assertEqual(self.pauses.paused, ["", "children"])
        self.assertEqual(self.pauses.resume("children"), ["blocking goes on for view children"])
        self.assertEqual(self.pauses.resume("children"), ["blocking was not paused"])
        self.assertEqual(self.pauses.resume("all"), ["blocking goes on for clients in no view"])

    def test_viewsThatAreGone(self) -> None:
        """
        The pause of a view that the settings no longer have is forgotten.
        """
        self.pauses.pause("all", "1h")
        self.pauses.apply(["guests"])
        self.assertEqual(self.pauses.paused, ["", "guests"])

    def test_wrongWords(self) -> None:
        """
        A view that there is not and a time that cannot be are errors, and nothing changes.
        """
        for view, length, said in (
            ("child", "5m", "there is no view child; did you mean children?"),
            ("x", "5m", "there is no view x; there are all, default, children, guests"),
            ("guests", "soon", "'soon' is not a time; write 30s, 5m, 2h or 1h30m"),
            ("guests", "0", "a pause takes a second to a day, not 0; for longer ones change the settings"),
            ("guests", "25h", "a pause takes a second to a day, not 25h; for longer ones change the settings"),
            ("guests", "-5", "'-5' is not a time; write 30s, 5m, 2h or 1h30m"),
        ):
            with self.assertRaises(CallerFault) as caught:
                self.pauses.pause(view, length)
            self.assertEqual(str(caught.exception), said)
        self.assertEqual((self.pauses.paused, self.changes), ([], 0))


class PausedServerTests(ListCase, ServiceCase):
    """
    Pauses of a L{ServerService}, whose client is at 192.168.0.9.
    """

    def setUp(self) -> None:
        ServiceCase.setUp(self)
        ListCase.setUp(self)
        self.upstream.set("www.ads.example", "A", "192.0.2.81")

    def control(self, target: str, method: str = "POST") -> tuple[int, JSON]:
        response = talk(controlSite(self.service.status, self.network.clock), self.network.clock, target, method)
        return response.code, response.json

    def rcode(self) -> int:
        reply = self.asked("www.ads.example")
        assert reply is not None
        return reply.rcode

    def test_pauseOfOneView(self) -> None:
        """
        While its view is paused, a client gets what is blocked, also replies that were in the packet cache; not longer. A reload keeps the
        pause. The status says so.
        """
        view = ["children=192.168.0.9"]
        self.service = self.run_(blockList=str(self.list), view=view)
        self.children.finish()
        self.network.advance(0.1)
        self.assertEqual([self.rcode() for _ in range(4)], [3] * 4)
        code, said = self.control("/pause?view=children&time=60s")
        assert isinstance(said, dict)
        self.assertEqual(code, 200)
        self.assertEqual([self.rcode() for _ in range(4)], [0] * 4)
        blocking = self.successResultOf(self.service.status.status())["blocking"]
        assert isinstance(blocking, dict) and isinstance(blocking["said"], list)
        self.assertIn("paused for view children until", str(blocking["said"][-1]))
        self.wanted = self.settings(blockList=str(self.list), view=[*view, "guests=192.168.9.9"])
        reloaded = self.service.reload()
        self.network.advance(0.1)
        self.successResultOf(reloaded)
        self.assertEqual(self.rcode(), 0)
        self.network.advance(60)
        self.assertEqual([self.rcode() for _ in range(4)], [3] * 4)

    def test_otherViewsAreNotPaused(self) -> None:
        """
        The pause of one view lets nothing through for others, nor the pause of others for it.
        """
        self.service = self.run_(block="ads.example", view=["children=192.168.0.9", "guests=192.168.9.9"])
        for paused in ("guests", "default"):
            self.assertEqual(self.control(f"/pause?view={paused}")[0], 200)
            self.assertEqual(self.rcode(), 3)
        self.assertEqual(self.control("/pause?view=all")[0], 200)
        self.assertEqual(self.rcode(), 0)
        self.assertEqual(self.control("/resume?view=all")[0], 200)
        self.assertEqual(self.rcode(), 3)

    def test_pauseWhileListsAreRead(self) -> None:
        """
        A pause lets queries go on that wait for the lists; those after it wait again.
        """
        self.service = self.run_(blockList=str(self.list))
        self.assertIsNone(self.asked("www.ads.example"))
        before = len(self.client.got)
        self.assertEqual(self.control("/pause?view=all")[0], 200)
        self.network.advance(1.0)
        self.assertEqual(len(self.client.got), before + 1)
        self.assertEqual(self.control("/resume?view=all")[0], 200)
        self.assertIsNone(self.asked("www.ads.example"))
        self.children.finish()
        self.network.advance(1.0)
        self.assertEqual(self.rcode(), 3)

    def test_nothingToPause(self) -> None:
        """
        Where nothing is blocked, there is nothing to pause.
        """
        self.service = self.run_()
        self.assertEqual(self.control("/pause?view=all"), (400, {"error": "nothing is blocked; there is nothing to pause"}))


class PausedWorkersTests(ListCase):
    def test_allWorkersPause(self) -> None:
        """
        All workers are told of pauses and their ends, and those that start meanwhile as well.
        """
        processes = Processes()
        settings = Settings.of(block="ads.example", view="children=192.168.0.9")
        force = Workforce(cast(IReactorTime, processes), settings, boundSockets(("127.0.0.1",), 0, 2), b"s" * 16)
        force.startService()
        self.successResultOf(force.do("pause", {"view": "children", "time": "5s"}))
        for process in processes.started:
            self.assertEqual(process.received[-1]["state"], {"table": None, "paused": ["children"]})
        processes.started[0].end()
        processes.advance(2.0)
        told = [said for said in processes.started[2].received if said["do"] == "state"]
        self.assertEqual([said["state"] for said in told], [{"table": None, "paused": ["children"]}])
        processes.advance(4.0)
        self.assertIsNone(processes.started[1].received[-1]["state"])
        force.stopService()
        for process in processes.started[1:]:
            process.end()
