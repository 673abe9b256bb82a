"""
Tests of the robot on networks of ngircd, with clients of another project.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.relaying import main, objections
from tests.certificates import written
from tests.live.asking import zoneOf
from tests.live.robot.networks import Client, Ngircd, Running
from tests.peers import nsd

__all__: list[str] = []


@pytest.fixture
def server() -> Iterator[Ngircd]:
    with Ngircd("one.example") as started:
        yield started


@pytest.fixture
def join() -> Iterator[Callable[..., Client]]:
    """
    Return a function that makes a client, which leaves when the test ends.
    """
    clients: list[Client] = []

    def make(server: Ngircd, nick: str, *channels: str) -> Client:
        clients.append(Client(server, nick))
        for channel in channels:
            clients[-1].join(channel)
        return clients[-1]

    yield make
    for client in clients:
        client.leave()


def table(server: Ngircd, name: str = "one", **more: object) -> dict[str, object]:
    """
    Return the settings of a network.
    """
    return {"name": name, "endpoint": f"tcp:127.0.0.1:{server.port}", "nick": "txbot", "channels": ["#dns"], "interval": 0, **more}


def test_commands(server: Ngircd, join: Callable[..., Client], tmp_path: Path) -> None:
    """
    A person in a channel asks by the prefix or the robot's name, or in private, and gets an answer; long ones go on with "more".
    """
    alice = join(server, "alice", "#dns")
    with Running.started(tmp_path, [table(server)]):
        alice.awaits("join txbot #dns")
        alice.says("#dns", "!echo one")
        assert alice.awaits("txbot") == "txbot #dns one"
        alice.says("#dns", "txbot: echo gr\u00fc\u00dfe \U0001f916")
        assert alice.awaits("txbot") == "txbot #dns gr\u00fc\u00dfe \U0001f916"
        alice.says("txbot", "echo two")
        assert alice.awaits("privmsg txbot") == "privmsg txbot alice two"
        alice.says("#dns", "!ecko")
        alice.says("#dns", "!plugins")
        assert alice.awaits("txbot").startswith("txbot #dns echo: ")
        alice.says("#dns", "\x01VERSION\x01")
        assert alice.awaits("ctcpreply") == "ctcpreply txbot alice VERSION twisted_ext"
    assert alice.awaits("quit txbot")


def test_longLines(server: Ngircd, join: Callable[..., Client], tmp_path: Path) -> None:
    """
    Lines that are too long for one message arrive whole, in several.
    """
    alice = join(server, "alice", "#dns")
    text = " ".join(["gr\u00fc\u00dfe"] * 55)
    with Running.started(tmp_path, [table(server)], {}):
        alice.awaits("join txbot #dns")
        alice.says("#dns", f"!echo {text}")
        first = alice.awaits("txbot").removeprefix("txbot #dns ")
        rest = "" if first == text else alice.awaits("txbot").removeprefix("txbot #dns ")
        assert f"{first} {rest}".split() == text.split()


def test_tlsAndKeys(server: Ngircd, join: Callable[..., Client], tmp_path: Path) -> None:
    """
    The robot connects over TLS, checks the certificate, and joins a channel with a key.
    """
    roots = tmp_path / "roots"
    roots.mkdir()
    written(roots)
    (tmp_path / "key").write_text("sesame", "utf-8")
    endpoint = f"tls:127.0.0.1:{server.tlsPort}:trustRoots={str(roots)}"
    channels = [{"name": "#locked", "key": {"file": str(tmp_path / "key")}}]
    alice = join(server, "alice")
    alice.send("JOIN #locked sesame")
    with Running.started(tmp_path, [table(server, endpoint=endpoint, channels=channels)]):
        alice.awaits("join txbot #locked")
        alice.says("#locked", "!echo one")
        assert alice.awaits("txbot") == "txbot #locked one"
    with Running.started(tmp_path, [table(server, endpoint=f"tls:127.0.0.1:{server.tlsPort}")], wait=False) as robot:
        robot.awaits("certificate verify failed")


def test_srv(server: Ngircd, join: Callable[..., Client], tmp_path: Path) -> None:
    """
    The robot finds its server by SRV records, with our resolver.
    """
    alice = join(server, "alice", "#dns")
    zone = zoneOf({"_irc._tcp": f"SRV 0 0 {server.port} host", "host": "A 127.0.0.1"})
    with nsd({"irc.example": zone}) as names:
        resolver = f"udp\\:{names.address}\\:{names.port}"
        with Running.started(tmp_path, [table(server, endpoint=f"srv:_irc._tcp.irc.example:resolver={resolver}")]):
            alice.awaits("join txbot #dns")


def test_srvWithTLS(server: Ngircd, join: Callable[..., Client], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A server found by SRV records is spoken to over TLS if the settings name its certificate, and only with that name.
    """
    alice = join(server, "alice", "#dns")
    monkeypatch.setenv("SSL_CERT_FILE", str(written(tmp_path)))
    zone = zoneOf({"_ircs._tcp": f"SRV 0 0 {server.tlsPort} host", "host": "A 127.0.0.1"})
    with nsd({"irc.example": zone}) as names:
        endpoint = f"srv:_ircs._tcp.irc.example:resolver=udp\\:{names.address}\\:{names.port}"
        with Running.started(tmp_path, [{**table(server, endpoint=endpoint), "tls-name": "127.0.0.1"}]):
            alice.awaits("join txbot #dns")
        with Running.started(tmp_path, [{**table(server, endpoint=endpoint), "tls-name": "irc.example"}], wait=False) as robot:
            robot.awaits("DNSMismatch")


def test_ghostNick(server: Ngircd, join: Callable[..., Client], tmp_path: Path) -> None:
    """
    If its nick is taken the robot has another one, and takes its own as soon as the holder goes.
    """
    ghost, alice = join(server, "txbot", "#dns"), join(server, "alice", "#dns")
    with Running.started(tmp_path, [table(server)]):
        alice.awaits("join txbot_ #dns")
        ghost.leave()
        alice.awaits("nick txbot_ txbot")
        alice.says("#dns", "txbot: echo one")
        assert alice.awaits("txbot") == "txbot #dns one"


def test_kickAndBan(server: Ngircd, join: Callable[..., Client], tmp_path: Path) -> None:
    """
    After a kick the robot comes back, also after a ban once that is lifted.
    """
    alice = join(server, "alice", "#dns")
    with Running.started(tmp_path, [table(server)]) as robot:
        alice.awaits("join txbot #dns")
        alice.send("MODE #dns +b txbot!*@*")
        alice.send("KICK #dns txbot :out")
        robot.awaits("bans the robot")
        robot.awaits("kicked by alice")
        robot.awaits("cannot join #dns")
        alice.send("MODE #dns -b txbot!*@*")
        alice.awaits("join txbot #dns")
        alice.says("#dns", "!echo one")
        assert alice.awaits("txbot") == "txbot #dns one"


def test_restart(server: Ngircd, join: Callable[..., Client], tmp_path: Path) -> None:
    """
    When the server crashes and comes back, so does the robot, and what was said in between is relayed then.
    """
    with Ngircd("two.example") as second:
        alice = join(server, "alice", "#dns")
        networks = [table(server), table(second, "two")]
        with Running.started(tmp_path, networks, {"relay": {"links": ["one/#dns = two/#dns"]}}) as robot:
            alice.awaits("join txbot #dns")
            second.stop()
            robot.awaits("two: disconnected")
            for number in range(20):
                alice.says("#dns", f"line {number}")
            second.start()
            bob = join(second, "bob", "#dns")
            heard = [bob.awaits("txbot") for _ in range(20)]
            assert heard == [f"txbot #dns <alice> line {number}" for number in range(20)]


def test_relay(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Two networks relayed at 20 lines a second in both directions: nothing is lost, doubled or reordered.
    """
    assert main(["--seconds", "3"]) == 0
    assert capsys.readouterr().out.startswith("120 lines in 3 s: none lost")


def test_netsplit(join: Callable[..., Client], tmp_path: Path) -> None:
    """
    When two servers of a network lose each other, one line on the other network names who is gone.
    """
    hub = Ngircd("hub.example")
    leaf = Ngircd("leaf.example", link=hub)
    with hub, leaf, Ngircd("two.example") as second:
        bob = join(second, "bob", "#dns")
        networks = [table(hub), table(second, "two")]
        with Running.started(tmp_path, networks, {"relay": {"links": ["one/#dns = two/#dns"], "joins": True}}):
            bob.awaits("join txbot #dns")
            for number in range(10):
                join(leaf, f"user{number}", "#dns")
                bob.awaits(f"txbot #dns -- user{number} has joined")
            leaf.stop()
            assert " and 2 others are gone in a netsplit (" in bob.awaits("txbot")
            bob.turn(0.5)
            assert [each for each in bob.heard if each.startswith("txbot")] == []


def test_throttling(join: Callable[..., Client], tmp_path: Path) -> None:
    """
    A channel that floods a server which slows fast clients down: the robot stays connected.
    """
    with Ngircd("one.example", penalty=-1) as server:
        flooders = [join(server, f"flood{number}", "#dns") for number in range(4)]
        settings = table(server)
        del settings["interval"]
        with Running.started(tmp_path, [settings]) as robot:
            flooders[0].awaits("join txbot #dns")
            for number in range(25):
                for flooder in flooders:
                    flooder.says("#dns", f"!echo {number} {'x' * 300}")
            heard = [flooders[0].awaits("txbot #dns") for _ in range(4)]
            assert all("x" * 300 in each for each in heard)
            assert "disconnected" not in robot.log()


def test_objections() -> None:
    """
    The benchmark tells lost lines from doubled ones, and both from a wrong order.
    """
    said = ["1", "2", "3"]
    assert objections(said, said) == []
    assert objections(said, ["1", "3", "3"]) == ["3 lines, 1 lost, 1 doubled"]
    assert objections(said, ["1", "3", "2"]) == ["3 lines, 0 lost, 0 doubled, out of order"]
