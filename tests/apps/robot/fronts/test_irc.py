"""
Tests of L{twisted_ext.apps.robot.fronts.irc}.
"""

from __future__ import annotations

from base64 import b64encode
from os import environ

from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from twisted.words.protocols.irc import numeric_to_symbolic
from zope.interface.verify import verifyObject

from tests.apps.robot.ircnetworks import ALICE, Echo, Network, robotWith
from twisted_ext.apps.robot.events import (
    Connected,
    Disconnected,
    Event,
    Joined,
    Kicked,
    Left,
    Message,
    Quit,
    Renamed,
    Topic,
)
from twisted_ext.apps.robot.fronts.irc import IRCFront
from twisted_ext.apps.robot.fronts.ircprotocol import IRCConnection
from twisted_ext.apps.robot.fronts.networks import NetworkSettings
from twisted_ext.apps.robot.interfaces import IFront
from twisted_ext.apps.robot.people import Person

__all__: list[str] = []


class IRCCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.echo = Echo()
        self.robot = robotWith(self.clock, [self.echo])

    def network(self, **table: object) -> Network:
        return Network(self.robot, self.clock, table)

    def joined(self, **table: object) -> Network:
        """
        Return a network, once the robot is in its channel.
        """
        network = self.network(**table)
        network.welcome()
        self.echo.events.clear()
        return network

    def events(self, *kinds: type) -> list[Event]:
        return [event for event in self.echo.events if not kinds or isinstance(event, kinds)]

    def end(self, network: Network) -> None:
        """
        End a connection without another attempt to connect, and check that no timer is left.
        """
        stopping = network.front.stopService()
        network.drop()
        self.successResultOf(stopping)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class RegistrationTests(IRCCase):
    """
    How the robot logs in.
    """

    def test_registersAndJoins(self) -> None:
        """
        The robot registers, joins its channels with their keys, and reports that it is connected.
        """
        network = self.network(channels=["#dns", "#Two"], password={"env": "HOME"})
        self.assertEqual(network.heard()[-2:], ["NICK txbot", "USER txbot 0 * :information robot"])
        network.says(":irc.example 001 txbot :Welcome")
        self.clock.advance(10)
        self.assertEqual(network.heard(), ["JOIN #dns", "JOIN #Two"])
        self.assertEqual(self.events(), [Connected("net")])
        verifyObject(IFront, network.front)

    def test_keys(self) -> None:
        """
        A channel's key is read from the environment, and sent when the robot joins.
        """
        self.patchEnvironment("TXDNS_KEY", "sesame")
        network = self.network(channels=[{"name": "#dns", "key": {"env": "TXDNS_KEY"}}])
        network.says(":irc.example 001 txbot :Welcome")
        self.clock.advance(10)
        self.assertEqual(network.heard()[-1:], ["JOIN #dns sesame"])

    def patchEnvironment(self, name: str, value: str) -> None:
        environ[name] = value
        self.addCleanup(environ.pop, name, None)

    def _login(self, mechanism: str, **table: object) -> Network:
        self.patchEnvironment("TXDNS_PASSWORD", "geheim")
        network = self.network(account="robot", sasl=mechanism, **{"account-password": {"env": "TXDNS_PASSWORD"}, **table})
        network.heard()
        network.says(":irc.example CAP * LS * :multi-prefix account-tag", ":irc.example CAP * LS :sasl=PLAIN,EXTERNAL extended-join")
        return network

    def test_plain(self) -> None:
        """
        SASL PLAIN sends account and password in one response, and registration goes on when it succeeds.
        """
        network = self._login("plain")
        self.assertEqual(network.heard(), ["CAP REQ :account-tag extended-join sasl"])
        network.says(":irc.example CAP * ACK :account-tag extended-join sasl")
        self.assertEqual(network.heard(), ["AUTHENTICATE PLAIN"])
        network.says("AUTHENTICATE +")
        self.assertEqual(network.heard(), [f"AUTHENTICATE {b64encode(b'robot' + bytes(1) + b'robot' + bytes(1) + b'geheim').decode()}"])
        network.says(":irc.example 903 txbot :SASL authentication successful")
        self.assertEqual(network.heard(), ["CAP END"])

    def test_longPassword(self) -> None:
        """
        A response is sent in pieces of 400 characters, and an empty one follows a full last piece.
        """
        self.patchEnvironment("TXDNS_LONG", "x" * (300 - 12))
        network = self._login("plain", **{"account-password": {"env": "TXDNS_LONG"}})
        network.says(":irc.example CAP * ACK :sasl", "AUTHENTICATE +")
        self.assertEqual([len(line) for line in network.heard()[-2:]], [len("AUTHENTICATE ") + 400, len("AUTHENTICATE +")])

    def test_external(self) -> None:
        """
        SASL EXTERNAL names the account; the certificate is that of the endpoint.
        """
        network = self._login("external")
        network.says(":irc.example CAP * ACK :sasl", "AUTHENTICATE +")
        self.assertEqual(network.heard()[1:], ["AUTHENTICATE EXTERNAL", f"AUTHENTICATE {b64encode(b'robot').decode()}"])

    def test_failedLogin(self) -> None:
        """
        If the password is wrong, the robot goes on without an account.
        """
        network = self._login("plain")
        network.says(":irc.example CAP * ACK :sasl", "AUTHENTICATE +", ":irc.example 904 txbot :SASL authentication failed")
        self.assertEqual(network.heard()[-1], "CAP END")

    def test_readableConnection(self) -> None:
        """
        Passwords are not sent over a connection that others can read.
        """
        network = self._login("plain", endpoint="tcp:192.0.2.1:6667", password={"env": "TXDNS_PASSWORD"})
        network.says(":irc.example CAP * ACK :account-tag extended-join", "AUTHENTICATE +")
        self.assertEqual(network.heard(), ["CAP REQ :account-tag extended-join", "CAP END"])
        self.assertNotIn(b"geheim", network.pipe.sent())

    def test_noCapabilities(self) -> None:
        """
        A server that knows no capabilities, or refuses them, is used without.
        """
        network = self.network()
        network.says(":irc.example CAP * LS :account-tag", ":irc.example CAP * NAK :account-tag")
        self.assertEqual(network.heard()[-2:], ["CAP REQ :account-tag", "CAP END"])

    def test_unansweredLogin(self) -> None:
        """
        If the server does not answer the log-in within 30 seconds, the robot goes on without an account, once, and logs why.
        """
        for answers in ([], ["AUTHENTICATE +"]):
            network = self._login("plain")
            network.says(":irc.example CAP * ACK :account-tag extended-join sasl", *answers)
            self.clock.advance(29)
            self.assertNotIn("CAP END", network.heard())
            with capturedLogs() as found:
                self.clock.advance(1)
                self.assertEqual(network.heard(), ["CAP END"])
                network.says(":irc.example 906 txbot :SASL authentication aborted", "AUTHENTICATE +", ":irc.example 903 txbot :late")
            self.assertEqual([event["reason"] for event in found], ["the server has not answered AUTHENTICATE within 30 seconds"])
            network.welcome()
            self.clock.advance(30)
            self.assertFalse(network.pipe.aborted)
            self.assertNotIn("CAP END", network.heard())
            self.end(network)

    def test_unansweredCapabilities(self) -> None:
        """
        If the server does not answer which capabilities it has, does not finish its list, or does not answer the request for them, the
        robot goes on without after 30 seconds, and logs that it does.
        """
        for table in ({}, {"account": "robot", "sasl": "external"}):
            for request, answers in (
                ("CAP LS", []),
                ("CAP LS", [":irc.example CAP * LS * :sasl"]),
                ("CAP REQ", [":irc.example CAP * LS :sasl account-tag"]),
            ):
                network = self.network(**table)
                network.says(*answers)
                network.heard()
                with capturedLogs() as found:
                    self.clock.advance(30)
                self.assertEqual(network.heard(), ["CAP END"])
                self.assertEqual([event["reason"] for event in found], [f"the server has not answered {request} within 30 seconds"])
                network.says(":irc.example CAP * LS :sasl account-tag", ":irc.example CAP * ACK :sasl account-tag")
                self.assertEqual(network.heard(), [])
                self.end(network)

    def test_timersEnd(self) -> None:
        """
        Neither a connection that ends at any step of registration nor one that the server accepts keeps a timer of registration.
        """
        steps = (":irc.example CAP * LS :sasl", ":irc.example CAP * ACK :sasl", "AUTHENTICATE +", ":irc.example 903 txbot :success")
        for count in range(len(steps) + 1):
            for accepted in ([], [":irc.example 001 txbot :Welcome"]):
                network = self.network(account="robot", sasl="external")
                network.says(*[":irc.example 433 * txbot :in use"] * 4, *steps[:count], *accepted)
                self.assertEqual("CAP END" in network.heard(), count == len(steps))
                self.end(network)

    def test_silentServer(self) -> None:
        """
        A server that does not accept the robot within a minute, or is silent for two, is left.
        """
        network = self.network()
        self.clock.advance(61)
        self.assertTrue(network.pipe.aborted)
        network.drop()
        self.clock.advance(2)
        network.welcome()
        self.clock.pump([31, 60, 60])
        self.assertTrue(network.pipe.aborted)

    def test_heartbeat(self) -> None:
        """
        A server that answers the robot's pings is not left, and its own pings are answered.
        """
        network = self.joined()
        for _ in range(10):
            self.clock.advance(60)
            network.says(":irc.example PONG irc.example :robot", "PING :one two")
            self.assertEqual(network.heard(), ["PING :robot", "PONG :one two"])
        self.assertFalse(network.pipe.aborted)


class NickTests(IRCCase):
    """
    How the robot gets its nick.
    """

    def test_taken(self) -> None:
        """
        While its nick is taken, the robot has another one, and takes its own when the holder leaves.
        """
        network = self.network()
        network.says(":irc.example 433 * txbot :in use", ":irc.example 433 * txbot_ :in use", ":irc.example 433 * txbot__ :in use")
        tried = [line for line in network.heard() if line.startswith("NICK")]
        self.assertEqual(tried[1:3], ["NICK txbot_", "NICK txbot__"])
        self.assertRegex(tried[3], r"^NICK txbot\d{3}$")
        network.welcome("txbot_", members="txbot alice")
        self.assertEqual(network.front.nick, "txbot_")
        network.says(":txbot!x@elsewhere.example QUIT :Ping timeout")
        self.assertEqual(network.heard(), ["ISON txbot"])
        network.says(":irc.example 303 txbot_ :")
        self.assertEqual(network.heard(), ["NICK txbot"])
        network.says(":txbot_!~txbot@robot.example NICK txbot")
        self.assertEqual(network.front.nick, "txbot")

    def test_allTaken(self) -> None:
        """
        If the server refuses every nick, for whatever reason, the robot tries three others at once, then more of them with pauses that
        double, all of nine characters at most. It logs that once, and tries no more when the server accepts it or the connection ends.
        """
        for number in ("432", "433", "436", "437"):
            network = self.network(nick="robot-n")
            network.says(":irc.example CAP * LS :")
            tried: list[tuple[int, str]] = []
            with capturedLogs() as found:
                for second in range(33):
                    # The server refuses each nick twice, which causes no further attempts.
                    while len(tried) < 50 and (nicks := [line[5:] for line in network.heard() if line.startswith("NICK ")]):
                        tried += [(second, nick) for nick in nicks]
                        network.says(*[f":irc.example {number} * {nick} :Nickname is refused" for nick in nicks] * 2)
                    self.clock.advance(1)
            self.assertEqual([second for second, _ in tried], [0, 0, 0, 0, 1, 3, 7, 15, 31])
            self.assertLessEqual(max(len(nick) for _, nick in tried), 9)
            self.assertEqual([event["reason"] for event in found], ["Nickname is refused"])
            network.welcome("robot-123")
            self.clock.advance(32)
            self.assertFalse([line for line in network.heard() if line.startswith("NICK ")])
            self.end(network)

    def test_ghost(self) -> None:
        """
        With "recover", the services are told to free the nick; no password is sent, as anyone may have their name.
        """
        network = self.network(recover="regain")
        network.says(":irc.example 001 txbot_ :Welcome")
        self.clock.advance(10)
        self.assertIn("PRIVMSG NickServ :REGAIN txbot", network.heard())
        network.says(":NickServ!services@services.example NOTICE txbot_ :txbot has been freed")
        self.assertEqual(network.heard(), ["ISON txbot"])
        network.says(":irc.example 303 txbot_ :")
        self.assertEqual(network.heard(), ["NICK txbot"])

    def test_regularly(self) -> None:
        """
        The robot asks for its nick each minute, and takes it once it is free.
        """
        network = self.network()
        network.welcome("txbot_")
        self.clock.advance(31)
        self.assertIn("ISON txbot", network.heard())
        network.says(":irc.example 303 txbot_ :TxBot")
        self.assertEqual(network.heard(), [])


class ConnectionTests(IRCCase):
    """
    How the robot connects again.
    """

    def test_backOff(self) -> None:
        """
        The pauses between attempts grow, up to five minutes, and are not those of other robots.
        """
        network = self.network()
        network.refusing = True
        network.drop()
        self.clock.pump([1] * 3600)
        pauses = [later - earlier for earlier, later in zip(network.attempts, network.attempts[1:], strict=False)]
        self.assertLess(pauses[0], 3)
        self.assertGreater(pauses[-1], 140)
        self.assertLess(max(pauses), 302)
        self.assertGreater(len(set(pauses[-4:])), 1)

    def test_thrownOutAtOnce(self) -> None:
        """
        A server that accepts connections and closes them at once is not asked without pause.
        """
        network = self.network()
        for _ in range(3600):
            if network.isUp:
                network.says("ERROR :Trying to reconnect too fast.")
                network.drop()
            self.clock.advance(1)
        self.assertLess(len(network.attempts), 35)

    def test_disconnected(self) -> None:
        """
        The reason that the server gives is reported, once.
        """
        network = self.joined()
        network.says("ERROR :Closing link (K-lined)")
        network.drop()
        self.assertEqual(self.events(), [Disconnected("net", "Closing link (K-lined)")])
        self.assertEqual(network.front.members("#dns"), ())

    def test_linesWait(self) -> None:
        """
        What is said while the connection is down is said in order when the robot is in the channel again, and not before.
        """
        network = self.joined()
        network.drop()
        self.robot.say(network.place(), ["one", "two"])
        self.clock.advance(2)
        network.says(":irc.example 001 txbot :Welcome")
        self.clock.advance(20)
        self.assertEqual(network.heard()[-1:], ["JOIN #dns"])
        network.says(":txbot!~txbot@robot.example JOIN #dns")
        self.clock.advance(10)
        self.assertEqual(network.heard(), ["PRIVMSG #dns :one", "PRIVMSG #dns :two"])

    def test_silentNetwork(self) -> None:
        """
        What was sent to a network that had gone without a word is sent again, in order; what it may have got is not.
        """
        for silent in (True, False):
            network = self.joined(interval=0)
            self.robot.say(network.place(), "before")
            network.says("PING :x")
            self.robot.say(network.place(), ["one", "two"])
            if silent:
                self.clock.pump([60, 60, 60])
            network.heard()
            network.drop()
            self.robot.say(network.place(), "three")
            self.clock.advance(3)
            network.says(":irc.example 001 txbot :Welcome", ":txbot!~txbot@robot.example JOIN #dns")
            said = [line.removeprefix("PRIVMSG #dns :") for line in network.heard() if line.startswith("PRIVMSG")]
            self.assertEqual(said, ["one", "two", "three"] if silent else ["three"])

    def test_stop(self) -> None:
        """
        Stopping says good-bye and leaves no timer, even if the server does not close its side.
        """
        for begin in (self.joined, self.network):
            network = begin()
            stopping = network.front.stopService()
            self.assertEqual(network.heard()[-1], "QUIT :")
            self.clock.advance(6)
            self.assertTrue(network.pipe.aborted)
            network.drop()
            self.successResultOf(stopping)
            self.assertEqual(self.clock.getDelayedCalls(), [])


class EventTests(IRCCase):
    """
    What the robot takes from a network.
    """

    def test_messages(self) -> None:
        """
        Messages, actions and notices, in a channel or in private, become events without formats.
        """
        network = self.joined()
        network.says(
            f":{ALICE} PRIVMSG #DNS :\x02hello\x02 \x0304,05there\x0f",
            f":{ALICE} PRIVMSG #dns :\x01ACTION waves\x01",
            f":{ALICE} NOTICE txbot :psst",
        )
        alice = network.alice()
        self.assertEqual(
            self.events(),
            [
                Message(alice, network.place("#DNS"), "hello there"),
                Message(alice, network.place(), "waves", action=True),
                Message(alice, network.place("alice", True), "psst", notice=True),
            ],
        )

    def test_command(self) -> None:
        """
        A command in a channel is answered there, one in private to the person.
        """
        network = self.joined()
        network.says(*[f":{ALICE} PRIVMSG {said}" for said in ("#dns :!echo one", "#dns :TxBot: echo two", "txbot :echo three")])
        self.clock.advance(10)
        self.assertEqual(network.heard(), ["PRIVMSG #dns :one", "PRIVMSG #dns :two", "PRIVMSG alice :three"])

    def test_isReady(self) -> None:
        """
        The robot is ready for persons once it is connected, for a channel once it is in it, and for neither after the connection is lost.
        """
        network = self.network()
        ready = network.front.isReady
        self.assertEqual([ready("alice"), ready("#dns")], [False, False])
        network.says(":irc.example 001 txbot :Welcome")
        self.assertEqual([ready("alice"), ready("#dns")], [True, False])
        network.welcome()
        self.assertEqual([ready("#DNS"), ready("#other")], [True, False])
        self.assertTrue(self.robot.isReady(network.place()))
        network.drop()
        self.assertEqual([ready("alice"), ready("#dns")], [False, False])
        self.clock.advance(60)

    def test_membership(self) -> None:
        """
        Joins, parts, kicks, quits and new nicks become events, and the robot knows who is in a channel.
        """
        network = self.joined()
        self.assertEqual(list(network.front.members("#DNS")), ["alice", "bob"])
        network.says(
            ":carol!c@host JOIN #dns",
            ":carol!c@host NICK Carola",
            f":{ALICE} TOPIC #dns :new",
            ":bob!b@host PART #dns :bye",
            f":{ALICE} KICK #dns Carola :why not",
            f":{ALICE} QUIT :gone",
        )
        carol, bob, dns = Person("net", "carol", "c", "host"), Person("net", "bob", "b", "host"), network.place()
        self.assertEqual(
            self.events(),
            [
                Joined(carol, dns),
                Renamed(carol, "Carola", (dns,)),
                Topic(network.alice(), dns, "new"),
                Left(bob, dns, "bye"),
                Kicked(network.alice(), dns, "Carola", "why not"),
                Quit(network.alice(), (dns,), "gone"),
            ],
        )
        self.assertEqual(list(network.front.members("#dns")), [])

    def test_accounts(self) -> None:
        """
        The account is that which the server has put on the message itself, if the robot has asked for it.
        """
        network = self.network()
        network.says(":irc.example CAP * LS :account-tag extended-join", ":irc.example CAP * ACK :account-tag extended-join")
        network.welcome()
        self.echo.events.clear()
        network.says(f"@id=1;account=Alice :{ALICE} PRIVMSG #dns :one", f":{ALICE} PRIVMSG #dns :two")
        network.says(f":{ALICE} JOIN #dns Alice :Alice A.")
        self.assertEqual(
            [event.person.account for event in self.events() if isinstance(event, Message | Joined)],
            ["Alice", "", "Alice"],
        )

    def test_accountsOnlyIfEnabled(self) -> None:
        """
        An account that a server passes on without having been asked counts for nothing: it may be a client's own tag.
        """
        network = self.joined()
        network.says(f"@account=owner :{ALICE} PRIVMSG #dns :one")
        self.assertEqual(self.events(), [Message(network.alice(), network.place(), "one")])

    def test_encodings(self) -> None:
        """
        Lines that are not UTF-8 are read as Windows' Western code page; a last character that the server has cut is dropped.
        """
        network = self.joined()
        for text in ("grüße".encode(), "grüße €".encode("cp1252"), "grü".encode()[:-1], b"\x81"):
            network.protocol.dataReceived(f":{ALICE} PRIVMSG #dns :".encode() + text + b"\r\n")
        self.assertEqual([event.text for event in self.events(Message) if isinstance(event, Message)], ["grüße", "grüße €", "gr", "�"])

    def test_ctcp(self) -> None:
        """
        VERSION and PING are answered, once in ten seconds in all; other queries are not, and none becomes an event.
        """
        network = self.joined()
        for query in ("VERSION", "PING 1\x02", "PING 2", "DCC SEND x 1 1 1", "CLIENTINFO", "TIME", ""):
            network.says(f":{ALICE} PRIVMSG txbot :\x01{query}\x01")
        self.clock.advance(10)
        network.says(f":{ALICE} PRIVMSG txbot :\x01PING 1\x02\x01", f":{ALICE} NOTICE txbot :\x01PING 1\x01")
        self.clock.advance(10)
        self.assertEqual(network.heard(), ["NOTICE alice :\x01VERSION twisted_ext\x01", "NOTICE alice :\x01PING 1\x01"])
        self.assertEqual(self.events(), [])

    def test_ownMessages(self) -> None:
        """
        The front ignores messages of the robot itself, which a bouncer repeats: the robot would answer itself.
        """
        network = self.joined()
        network.says(":TxBot!~txbot@robot.example PRIVMSG #dns :!echo one")
        self.clock.advance(10)
        self.assertEqual((self.events(), network.heard()), ([], []))

    def test_foreignChannels(self) -> None:
        """
        The robot leaves channels that it was put into, and takes nothing from channels in which it is not.
        """
        network = self.joined()
        network.says(":txbot!~txbot@robot.example JOIN #forced", f":{ALICE} PRIVMSG #forced :!echo one", f":{ALICE} JOIN #other")
        self.clock.advance(10)
        self.assertEqual((self.events(), network.heard()), ([], ["PART #forced"]))

    def test_rubbish(self) -> None:
        """
        Lines that are not valid messages are ignored, whatever they are.
        """
        network = self.joined(interval=0)
        commands = [each.removeprefix("irc_") for each in vars(IRCConnection) if each.startswith("irc_")]
        self.assertIn("PRIVMSG", commands)
        numbers = [each for each, name in numeric_to_symbolic.items() if name in commands]
        for command in [*commands, *numbers, "unknown"]:
            for parameters in ("", " ", " :", " a", " #dns", " #dns b", " #dns :", " #dns b :c", " a b c :e", " :\x01", " #dns +bb-o+ a"):
                for prefix in ("", ":", ":x ", f":{ALICE} ", "@a=b", "@a=b;; :x!y@z ", ":!@ "):
                    network.says(f"{prefix}{command}{parameters}")
        network.says("", " ", ":", "@", "\x00", "%s%n{0}", "x" * 10_000)
        network.says(f":{ALICE} PRIVMSG #dns :!echo still here")
        self.clock.advance(30)
        self.assertIn("PRIVMSG #dns :still here", network.heard())
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_endlessLine(self) -> None:
        """
        A server that sends a line without end is left.
        """
        network = self.joined()
        network.protocol.dataReceived(b"x" * 70_000)
        self.assertTrue(network.pipe.disconnecting)


class ChannelTests(IRCCase):
    """
    How the robot stays in its channels.
    """

    def test_kicked(self) -> None:
        """
        After a kick the robot returns, with pauses that double, and after eight attempts no more.
        """
        network = self.joined(interval=0)
        times = []
        for _ in range(10_000):
            self.clock.advance(1)
            network.says("PING :x")
            if "JOIN #dns" in network.heard():
                times.append(self.clock.seconds())
                network.says(":txbot!~txbot@robot.example JOIN #dns")
            network.says(f":{ALICE} KICK #dns txbot :out")
        self.assertEqual(len(times), 8)
        self.assertGreater(times[-1] - times[-2], 600)

    def test_banned(self) -> None:
        """
        A refusal is taken as a kick is: the robot tries again later.
        """
        network = self.network()
        network.says(":irc.example 001 txbot :Welcome")
        self.clock.advance(10)
        network.heard()
        for number in ("474", "471", "473", "475"):
            network.says(f":irc.example {number} txbot #dns :Cannot join channel")
        self.clock.advance(4)
        self.assertEqual(network.heard(), [])
        self.clock.advance(1)
        self.assertEqual(network.heard(), ["JOIN #dns"])

    def test_bansNoticed(self) -> None:
        """
        A ban that matches the robot is logged, and others are not.
        """
        network = self.joined()
        with capturedLogs() as found:
            for mode in ("+bbo *!*@other.example *!*@robot.* alice", "+b $a:x", "-b *!*@*", "+b", "+x-", "b * *"):
                network.says(f":{ALICE} MODE #dns {mode}")
        self.assertEqual([event.get("mask") for event in found], ["*!*@robot.*"])

    def test_banThatTakesTime(self) -> None:
        """
        The mask of a ban is compared without backtracking: this one would take hours.
        """
        network = self.joined()
        network.says(f":txbot!~txbot@{'a' * 60} JOIN #dns")
        with capturedLogs() as found:
            network.says(f":{ALICE} MODE #dns +b *!*@{'*?' * 20}x", f":{ALICE} MODE #dns +b *t?*b*!*?*@*?a")
        self.assertEqual([event.get("mask") for event in found], ["*t?*b*!*?*@*?a"])

    def test_change(self) -> None:
        """
        Changed channels take no new connection; a changed account does.
        """
        network = self.joined()
        table = {"name": "net", "endpoint": "tcp:127.0.0.1:6667", "nick": "txbot", "channels": ["#new"]}
        self.assertTrue(network.front.change(NetworkSettings.fromTable(table)))
        self.clock.advance(10)
        self.assertEqual(network.heard(), ["PART #dns", "JOIN #new"])
        network.says(":txbot!~txbot@robot.example PART #dns")
        self.clock.advance(100)
        self.assertNotIn("JOIN #dns", network.heard())
        self.assertFalse(network.front.change(NetworkSettings.fromTable({**table, "account": "other"})))


class SendingTests(IRCCase):
    """
    What the robot sends.
    """

    def test_length(self) -> None:
        """
        With the robot's mask before it, as others get it, no message is longer than 512 octets, and no character is cut.
        """
        network = self.joined(interval=0)
        self.robot.say(network.place(), ["grüße " * 100, "é" * 500] * 4)
        lines = network.heard()
        self.assertGreater(len(lines), 10)
        for line in lines:
            if line.startswith("PRIVMSG"):
                self.assertLessEqual(len(f":txbot!~txbot@robot.example {line}\r\n".encode()), 512)
        text = "".join(line.partition(":")[2] + " " for line in lines if line.startswith("PRIVMSG"))
        self.assertEqual((text.count("grüße"), text.count("é")), (400, 2000))

    def test_injection(self) -> None:
        """
        Neither a text nor a target can carry a second command.
        """
        network = self.joined()
        self.robot.say(network.place(), "one\r\nQUIT :x\x00\x01DCC\x01\nthree")
        for target in ("a\r\nQUIT", "a b", "a,b", "", ":a", "$*", "a\x00", "x" * 300):
            self.robot.say(network.place(target, True), "never")
        self.clock.advance(20)
        self.assertEqual(
            network.heard(), ["PRIVMSG #dns :one", "PRIVMSG #dns :QUIT :x\\x00\\x01DCC\\x01", "PRIVMSG #dns :three"]
        )

    def test_rate(self) -> None:
        """
        However much there is to say, the robot stays ten seconds ahead at most, as servers count it, and other persons do not wait.
        """
        network = self.joined()
        self.robot.say(network.place(), [f"line {number}" for number in range(100)])
        self.robot.say(network.place("bob", True), "you too")
        first = network.heard()
        self.assertIn(len(first), (4, 5))
        self.clock.advance(3)
        self.assertIn("PRIVMSG bob :you too", [*first, *network.heard()])
        self.clock.pump([1] * 96)
        self.assertLessEqual(len(network.heard()), 50)

    def test_frontWithoutConnection(self) -> None:
        """
        A front that was never connected takes lines and has no members.
        """
        network = self.network()
        network.front.send("#dns", [])
        self.assertEqual(network.front.members("#dns"), ())
        self.assertIsInstance(network.front, IRCFront)
