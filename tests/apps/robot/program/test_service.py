"""
Tests of L{twisted_ext.apps.robot.program.service}: what starts, stops and goes on when the settings change.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar, cast

from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.logger import capturedLogs, eventAsText
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from tests.networks import NetworkTestCase
from twisted_ext.apps.robot.database import Database
from twisted_ext.apps.robot.interfaces import IPages
from twisted_ext.apps.robot.loading import BUILT_IN
from twisted_ext.apps.robot.people import Person, Place
from twisted_ext.apps.robot.program import service
from twisted_ext.apps.robot.program.service import DATABASE, RobotService
from twisted_ext.apps.robot.program.settings import RobotSettings, robotSettingsIn
from twisted_ext.apps.robot.robot import Robot
from twisted_ext.errors import BadDescription, StorageFault


def tableOf(name: str, address: str, channels: str = '"#dns"') -> str:
    """
    Return the settings of a network.
    """
    return f'[[network]]\nname = "{name}"\nendpoint = "tcp:{address}:6667"\nchannels = [{channels}]\n'


class IRCServer(LineReceiver):
    """
    Accepts every client.

    @ivar lines: what the client has sent.
    """

    delimiter = b"\r\n"
    lost = False

    def __init__(self) -> None:
        self.lines: list[str] = []

    def lineReceived(self, line: bytes) -> None:
        text = line.decode()
        self.lines.append(text)
        word, _, rest = text.partition(" ")
        if text.startswith("CAP LS"):
            self.reply(b":irc CAP * LS :")
        elif text == "CAP END":
            self.reply(b":irc 001 txbot :hello")
            self.reply(b":irc 376 txbot :end")
        elif word == "JOIN":
            self.reply(b":txbot!txbot@host JOIN " + rest.encode())
        elif word == "QUIT":
            assert self.transport is not None
            self.transport.loseConnection()

    def reply(self, line: bytes) -> None:
        """
        Send a line.
        """
        assert self.transport is not None
        self.transport.write(line + b"\r\n")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = True


class StandInPages:
    """
    Web pages without a socket.
    """

    url = "http://robot.example/"
    running: ClassVar[list[str]] = []

    def __init__(self, robot: Robot, settings: object) -> None:
        self.listen = cast(str, vars(settings)["listen"])
        if self.listen.startswith("192.0.2.66"):
            raise OSError("no such address")

    def startService(self) -> None:
        self.running.append(self.listen)

    def stopService(self) -> None:
        self.running.remove(self.listen)

    def add(self, path: str, title: str, resource: object) -> None:
        pass

    def remove(self, path: str) -> None:
        pass


class ServiceTests(NetworkTestCase):
    """
    Tests of a robot on a memory network.
    """

    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.patch(service, "Database", partial(Database, threaded=False))
        self.patch(service, "Pages", StandInPages)
        self.patch(service, "foundPlugins", lambda folders: list(BUILT_IN))
        StandInPages.running = []
        self.text = ""
        self.servers: dict[str, list[IRCServer]] = {}
        self.service: RobotService | None = None

    def tearDown(self) -> None:
        if self.service is not None and self.service.running:
            self.stop()
        super().tearDown()

    def irc(self, address: str) -> list[IRCServer]:
        """
        Start an IRC server, and return its connections.
        """
        connections: list[IRCServer] = []

        class IRCFactory(ServerFactory):
            noisy = False

            def buildProtocol(self, addr: object) -> Protocol:
                connections.append(IRCServer())
                return connections[-1]

        self.network.reactor(address).listenTCP(6667, IRCFactory(), interface="0.0.0.0")
        return connections

    def read(self) -> RobotSettings:
        """
        Read the settings that there are now.
        """
        return robotSettingsIn(f'state = "state"\nresolver = "udp:192.0.2.53"\n{self.text}', str(self.folder / "robot.toml"))

    def start(self, text: str = "") -> RobotService:
        """
        Start a robot with these settings.
        """
        self.text = text
        self.service = RobotService(self.here, self.read)
        self.service.startService()
        self.network.advance(2)
        return self.service

    def reload(self, text: str) -> None:
        """
        Let the robot read these settings.
        """
        assert self.service is not None
        self.text = text
        self.service.reload()
        self.network.advance(10)

    def stop(self) -> None:
        """
        Stop the robot.
        """
        assert self.service is not None
        stopping = self.service.stopService()
        self.network.advance(20)
        self.successResultOf(stopping)

    def loaded(self) -> list[str]:
        """
        Return the names of the loaded plugins.
        """
        assert self.service is not None
        return [plugin.name for plugin in self.service.robot.plugins.loaded]

    def test_everythingStartsAndStops(self) -> None:
        """
        Plugins, networks and pages start; at the end the networks are told, and nothing is left.
        """
        one, two = self.irc("192.0.2.80"), self.irc("192.0.2.81")
        web = '[web]\nlisten = "127.0.0.1:8080"\n'
        started = self.start(tableOf("one", "192.0.2.80") + tableOf("two", "192.0.2.81") + web)
        self.assertIn("JOIN #dns", one[0].lines)
        self.assertIn("JOIN #dns", two[0].lines)
        self.assertEqual(sorted(started.robot.fronts), ["one", "two"])
        self.assertIn("seen", self.loaded())
        self.assertEqual(StandInPages.running, ["127.0.0.1:8080"])
        self.assertEqual(IPages(started.robot).url, "http://robot.example/")
        self.stop()
        self.assertTrue(one[0].lines[-1].startswith("QUIT"))
        self.assertTrue(one[0].lost and two[0].lost)
        self.assertEqual(self.loaded(), [])
        self.assertEqual(StandInPages.running, [])
        self.assertTrue((self.folder / "state" / DATABASE).exists())

    def test_wrongSettingsAreNotFollowed(self) -> None:
        """
        If the changed settings are not valid, their faults are logged and everything goes on as it was.
        """
        one = self.irc("192.0.2.80")
        started = self.start(tableOf("one", "192.0.2.80"))
        settings = started.robot.settings
        with capturedLogs() as found:
            self.reload('prefix = 1\n[[network]]\nname = "x"')
        logged = [eventAsText(event, includeTimestamp=False, includeSystem=False) for event in found]
        self.assertTrue(logged[0].endswith("robot.toml:3: prefix takes a text, as a text, not 1"), logged)
        self.assertEqual(logged[-1], "the settings are not valid; the robot keeps those that it has")
        self.assertIs(started.robot.settings, settings)
        self.assertFalse(one[0].lost)

    def test_unchangedNetworksStayConnected(self) -> None:
        """
        A change of the settings reconnects only the networks whose connection it concerns; others follow in their connection.
        """
        one, two, three = self.irc("192.0.2.80"), self.irc("192.0.2.81"), self.irc("192.0.2.82")
        started = self.start(tableOf("one", "192.0.2.80") + tableOf("two", "192.0.2.81"))
        self.reload('prefix = "."\n' + tableOf("one", "192.0.2.80", '"#other"') + tableOf("three", "192.0.2.82"))
        self.assertEqual((len(one), one[0].lost), (1, False))
        self.assertEqual(one[0].lines[-2:], ["PART #dns", "JOIN #other"])
        self.assertTrue(two[0].lost)
        self.assertIn("JOIN #dns", three[0].lines)
        self.assertEqual(sorted(started.robot.fronts), ["one", "three"])
        self.assertEqual(started.robot.settings.prefix, ".")
        self.reload(tableOf("one", "192.0.2.82", '"#other"') + tableOf("three", "192.0.2.82"))
        self.assertTrue(one[0].lost)
        self.assertEqual((len(one), len(three), three[0].lost), (1, 2, False))

    def test_accessFollowsTheSettings(self) -> None:
        """
        Roles in the changed settings apply at once.
        """
        started = self.start()
        command = started.robot.plugins.command("load")
        assert command is not None
        person, place = Person("one", "a", account="boss"), Place("one", "#dns")
        self.assertTrue(started.robot.access.refusal(command, person, place))
        self.reload('[access]\nowners = ["*/account:boss"]')
        self.assertEqual(started.robot.access.refusal(command, person, place), "")

    def test_pluginsFollowTheSettings(self) -> None:
        """
        Plugins are loaded, unloaded and restarted as the changed settings say; those whose settings are the same go on.
        """
        started = self.start("[plugin.tell]\ndays = 3")
        seen, tell = started.robot.plugins._loaded["seen"].actual, started.robot.plugins._loaded["tell"].actual
        weather = '[plugin.weather]\nurl = "https://a.example/{place}"\nline = "{a}"\n'
        self.reload(f"[plugin.ignore]\nenabled = false\n[plugin.tell]\ndays = 4\n{weather}")
        self.assertNotIn("ignore", self.loaded())
        self.assertIn("weather", self.loaded())
        self.assertIs(started.robot.plugins._loaded["seen"].actual, seen)
        changed = started.robot.plugins._loaded["tell"].actual
        self.assertIsNot(changed, tell)
        self.assertEqual(vars(changed)["days"], 4)
        self.reload("")
        self.assertIn("ignore", self.loaded())
        self.assertNotIn("weather", self.loaded())

    def test_pagesFollowTheSettings(self) -> None:
        """
        The web site moves with the settings, and ends with them.
        """
        started = self.start('[web]\nlisten = "127.0.0.1:8080"\n')
        self.reload('[web]\nlisten = "127.0.0.1:8081"\n')
        self.assertEqual(StandInPages.running, ["127.0.0.1:8081"])
        self.assertIn("seen", self.loaded())
        self.reload("")
        self.assertEqual(StandInPages.running, [])
        self.assertIsNone(IPages(started.robot, None))

    def test_partThatCannotStartHurtsNoOther(self) -> None:
        """
        Pages that cannot be served do not keep the plugins and networks from starting.
        """
        one = self.irc("192.0.2.80")
        self.start(tableOf("one", "192.0.2.80") + '[web]\nlisten = "192.0.2.66:80"\n')
        self.assertIn("JOIN #dns", one[0].lines)
        self.assertIn("seen", self.loaded())

    def test_partThatCannotStopHurtsNoOther(self) -> None:
        """
        Pages that fail while they stop keep nothing else from stopping.
        """
        one = self.irc("192.0.2.80")
        self.start(tableOf("one", "192.0.2.80") + '[web]\nlisten = "127.0.0.1:8080"\n')
        StandInPages.running.clear()
        self.stop()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertTrue(one[0].lost)
        self.assertEqual(self.loaded(), [])

    def test_stateIsNeeded(self) -> None:
        """
        Without a folder for the database the robot is refused; it may be the one that systemd names.
        """
        error = self.assertRaises(BadDescription, RobotService, self.here, lambda: robotSettingsIn("", "robot.toml"))
        self.assertTrue(str(error).startswith("state is missing"))
        self.assertEqual(RobotSettings().stateFolder({"STATE_DIRECTORY": "/var/lib/robot:/x"}), "/var/lib/robot")

    def test_databaseThatCannotBeOpenedIsReported(self) -> None:
        """
        A database that cannot be opened ends the start, with its path.
        """
        (self.folder / "state").write_text("not a folder")
        self.text = ""
        made = RobotService(self.here, self.read)
        error = self.assertRaises(StorageFault, made.startService)
        self.assertIn(str(self.folder), str(error))
