"""
Tests of C{txdns} as a whole: what it says, where it says it, and the exit code. Hardly any of them needs a server.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from tests.apps.terminals import Terminal
from tests.docs.listings import serving
from twisted_ext.apps.cli import main as mainModule
from twisted_ext.apps.cli.main import COMMANDS, main
from twisted_ext.apps.cli.terminal.exits import BATCH, BROKEN_PIPE, INTERNAL, NO_REPLY, OK, USAGE

COMMAND = [sys.executable, "-m", "twisted_ext.apps.cli.main"]


@pytest.fixture
def hosts(tmp_path: Path) -> str:
    """
    @return: the description of a hosts file.
    """
    path = tmp_path / "hosts"
    path.write_text("192.0.2.80 www.example.org www\n2001:db8::80 www.example.org\n")
    return f"@hosts:{path}"


def run(*words: str, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """
    Run C{txdns} on its own.
    """
    return subprocess.run(
        [*COMMAND, *words],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        # Without the ~/.digrc of the user who runs the tests.
        env={**os.environ, "HOME": "/nonexistent", "PYTHONIOENCODING": "utf-8", **environment},
    )


@pytest.mark.parametrize("command", [command.word for command in COMMANDS])
def test_helpOfCommands(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Each command's help names it, shows how it is used, and fits on a screen's width that people have.
    """
    assert main([command, "--help"]) == OK
    output = capsys.readouterr().out
    assert output.startswith(f"Usage: txdns {command}")
    assert output.count(f"txdns {command}") >= 2
    assert max(len(line) for line in output.splitlines()) <= 97


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """
    The help lists all commands; without a command it is an error.
    """
    assert main(["--help"]) == OK
    output = capsys.readouterr().out
    assert all(f"  {command.word} " in output for command in COMMANDS)
    assert main([]) == USAGE
    assert capsys.readouterr().err == output


@pytest.mark.parametrize("words", [[command.word] for command in COMMANDS] + [["zone", "check"], ["zone", "diff"]], ids=" ".join)
def test_helpCommand(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """
    C{txdns help COMMAND} shows what C{txdns COMMAND --help} shows.
    """
    assert main([*words, "--help"]) == OK
    wanted = capsys.readouterr().out
    assert main(["help", *words]) == OK
    assert capsys.readouterr().out == wanted


def test_helpUnknown(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Help on a command that does not exist is an error that names the nearest one.
    """
    assert main(["help", "qury"]) == USAGE
    assert capsys.readouterr().err == "txdns: no command is called 'qury'; did you mean query?\n"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """
    The version is one line.
    """
    assert main(["--version"]) == OK
    assert capsys.readouterr().out.startswith("txdns 0.")


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        ("qury x", USAGE, "txdns: no command is called 'qury'; did you mean query?"),
        ("www.example.org MX", USAGE, "txdns: no command is called 'www.example.org'; to look a name up, write: txdns query www"),
        ("serve --zone x", USAGE, "txdns: no command is called 'serve'; a server is started by: twistd -n txdns serve ..."),
        ("run", USAGE, "txdns: no command is called 'run'; a server is started by: twistd -n txdns ..."),
        ("query a..b", USAGE, "txdns query: 'a..b': a label is empty"),
        ("query www.example.org +foo", USAGE, "txdns query: +foo is not an option"),
        ("query www.example.org IXFR @127.0.0.1", USAGE, "txdns query: IXFR needs the serial number"),
        ("query www.example.org AXFR @hosts", USAGE, "txdns query: @hosts: no server that a zone could be transferred from"),
        ("query -f no-such-file", BATCH, "txdns query: -f no-such-file: No such file or directory"),
        ("query www.example.org @foo:bar", USAGE, "there is no prefix 'foo'; there are system, hosts"),
        ("query www.example.org @a..b", USAGE, "@a..b is not an address, a description or a name"),
        ("query www.example.org @udp:300.1.1.1", USAGE, "300.1.1.1"),
        ("query www.example.org @udp:127.0.0.1 -p 53", USAGE, "write the port into the description"),
        ("query www.example.org @127.0.0.1 -6", USAGE, "-6: @127.0.0.1 names no server of IPv6"),
        ("explain", USAGE, "txdns explain: no name"),
        ("explain a..b", USAGE, "txdns explain: 'a..b'"),
        ("explain www.example.org FOO", USAGE, "txdns explain: 'FOO' is not a record type"),
        ("explain -x foo", USAGE, "txdns explain: -x 'foo' is not an IP address"),
        ("explain -x", USAGE, "txdns explain: -x needs an address"),
        ("explain www.example.org @192.0.2.1 @192.0.2.2", USAGE, "txdns explain: two servers, @192.0.2.1 and @192.0.2.2"),
        ("explain www.example.org @", USAGE, "txdns explain: @ needs a server"),
        ("query www.example.org @", USAGE, "txdns query: @ needs a server"),
        ("query www.example.org @192.0.2.1 @ 192.0.2.2", USAGE, "txdns query: two servers, @192.0.2.1 and @192.0.2.2"),
        ("query www.example.org A IN XX", USAGE, "'XX' is too much: name, type and class are given already"),
        ("explain www.example.org @foo:", USAGE, "there is no prefix 'foo'"),
        ("bulk no-such-file", BATCH, "txdns bulk: no-such-file: No such file or directory"),
        ("bulk - @foo:", USAGE, "there is no prefix 'foo'"),
        ("plugins foo", USAGE, "txdns plugins: 'foo': only +json may stand here"),
        ("shell a b", USAGE, "txdns shell: 'a b': write one resolver description"),
    ],
)
def test_wrong(words: str, code: int, line: str) -> None:
    """
    A mistake gives one line on the standard error, nothing on the standard output, and the exit code; no traceback.
    """
    ended = run(*words.split())
    assert (ended.returncode, ended.stdout) == (code, "")
    assert line in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "closed", "code", "line"),
    [
        ("query www.example.org +short", ">&-", BATCH, "txdns query: standard output: Bad file descriptor"),
        ("explain www.example.org", ">&-", BATCH, "txdns explain: standard output: Bad file descriptor"),
        ("query -f -", "<&-", BATCH, "txdns query: -f -: Bad file descriptor"),
        ("bulk -", "<&-", BATCH, "txdns bulk: -: Bad file descriptor"),
        ("query www.example.org +short", "<&- 2>&-", OK, ""),
        ("query www.example.org +short", "> /dev/full", BATCH, "txdns query: standard output: No space left on device"),
        ("query a..b", "2> /dev/full", USAGE, ""),
        ("bulk no-such-file", "2> /dev/full", BATCH, ""),
        ("nothing", "2> /dev/full", USAGE, ""),
        ("query www.example.org +short", "> /dev/full 2> /dev/full", BATCH, ""),
    ],
)
def test_closedStreams(words: str, closed: str, code: int, line: str, hosts: str) -> None:
    """
    A stream that whoever called us has closed, or that takes nothing, is complained about where it is needed and nowhere else.
    """
    command = f"{shlex.join(COMMAND)} {words} '{hosts}' {closed}"
    # With a buffer, as users have it: what stays in there is written once more when Python ends.
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    ended = subprocess.run(
        ["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, env=environment
    )
    assert ended.returncode == code
    assert line in ended.stderr
    assert ended.stderr.count("\n") == bool(line)


def test_controlCharacters(hosts: str) -> None:
    """
    No word of a command, of a file or of a server makes a terminal do things.
    """
    Path(hosts.removeprefix("@hosts:")).write_bytes(b"192.0.2.80 www\x1b[31m\n")
    for words, shown in (
        (["query", "a\x1b[31m\nb", hosts], "a\\027[31m\\010b. IN A"),
        (["query", "www\x1b[31m", "+tcp\x1b", hosts], "+tcp\\x1b is not an option"),
        (["query", "-f", "\x1b[31m"], "-f \\x1b[31m: No such file"),
        (["query", "www\x1b[31m", hosts], "; <<>> txdns <<>> www\\x1b[31m @hosts"),
    ):
        ended = run(*words)
        assert "\x1b" not in ended.stdout + ended.stderr
        assert shown in ended.stdout + ended.stderr
        assert ended.stderr.count("\n") == (not ended.stdout)


def test_brokenPlugin(hosts: str, tmp_path: Path) -> None:
    """
    A plugin that cannot be imported is told of in one line, without a traceback, unless that is asked for.
    """
    folder = tmp_path / "twisted" / "plugins"
    folder.mkdir(parents=True)
    (folder / "txdns_test_broken.py").write_text("import txdns_test_absent\n")
    ended = run("plugins", PYTHONPATH=str(tmp_path))
    assert ended.returncode == OK
    line = "a plugin module cannot be imported: ModuleNotFoundError: No module named 'txdns_test_absent'"
    assert ended.stderr == f"txdns plugins: {line}\n"
    ended = run("query", "www.example.org", "@foo:", PYTHONPATH=str(tmp_path))
    assert line in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert "Traceback" in run("plugins", PYTHONPATH=str(tmp_path), TXDNS_DEBUG="1").stderr


def test_query(hosts: str) -> None:
    """
    An answer that no server gave is shown like any other.
    """
    ended = run("query", "www.example.org", hosts)
    assert (ended.returncode, ended.stderr) == (OK, "")
    assert "www.example.org.	86400	IN	A	192.0.2.80" in ended.stdout
    assert ";; SOURCE: hosts " in ended.stdout
    assert run("query", "www.example.org", "AAAA", "+short", hosts).stdout == "2001:db8::80\n"
    assert run("query", "-x", "192.0.2.80", "+short", hosts).stdout == "www.example.org.\n"
    assert json.loads(run("query", "www.example.org", "+json", hosts).stdout)["answer"][0]["data"] == "192.0.2.80"


def test_explainTimes(tmp_path: Path) -> None:
    """
    What a process imports before its first look-up does not pass for the time that the look-up took, and what is not there is not shown.
    """
    program = """if True:
        import sys
        from twisted_ext.apps.cli import main
        from twisted_ext.compat import explain as explaining

        def explained(*words):
            before = set(sys.modules)
            def told(explanation):
                print("meanwhile:", *sorted(set(sys.modules) - before), file=sys.stderr)
                return explanation
            return real(*words).addCallback(told)

        real, explaining.explained = explaining.explained, explained
        sys.exit(main.main(["explain", *sys.argv[1:]]))
    """
    with serving() as servers:
        for target in ("@special", servers.real("@udp:127.0.0.1:5301")):
            command = [sys.executable, "-c", program, "www.example.com", target]
            assert subprocess.run(command, capture_output=True, text=True, timeout=60).stderr == "meanwhile:\n"
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.53\n")
    assert "flags" not in run("explain", "localhost", f"@system:resolvConf={tmp_path}/resolv.conf", RES_OPTIONS="").stdout


def test_queryUnknown(hosts: str) -> None:
    """
    Where nobody knows, one line says so; programs get an object as well.
    """
    ended = run("query", "ftp.example.org", "+json", hosts)
    assert ended.returncode == NO_REPLY
    assert json.loads(ended.stdout)["kind"] == "Unknown"
    assert "ftp.example.org" in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [["query", "www.example.org"], ["explain", "www.example.org"], ["plugins"]])
def test_jsonAsElsewhere(words: list[str], hosts: str) -> None:
    """
    JSON is to be had by two dashes, too, as C{txdns watch} and many other programs have it.
    """
    ended = run(*words, "--json", *([] if words == ["plugins"] else [hosts]))
    assert (ended.returncode, ended.stderr) == (OK, "")
    assert all(isinstance(json.loads(line), dict) for line in ended.stdout.splitlines())


@pytest.mark.parametrize(
    "words",
    [["query", "+time=2", "+tries=1"], ["explain"], ["getaddrinfo"], ["services"]],
)
def test_waits(words: list[str]) -> None:
    """
    Somebody at a terminal is told that an answer has not come yet; a program is not.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        more = ["_a._tcp.example.org", f"@127.0.0.1:{silent.getsockname()[1]}"]
        with Terminal([*COMMAND[1:], *words, *more]) as terminal:
            terminal.expect(f"txdns {words[0]}: no answer yet; Ctrl-C ends it")
        if words[0] == "query":
            assert "no answer yet" not in run(*words, *more).stderr


def test_batch(hosts: str, tmp_path: Path) -> None:
    """
    A file has one look-up a line, in the same words; a mistake in it is found before anything is asked.
    """
    path = tmp_path / "batch"
    path.write_text("www.example.org\n# a comment\n\nwww.example.org AAAA\n-x 192.0.2.80\n")
    ended = run("query", "+short", hosts, "-f", str(path))
    assert ended.stdout == "192.0.2.80\n2001:db8::80\nwww.example.org.\n"
    assert run("query", "+short", hosts, "-f", "-", text="www.example.org\n").stdout == "192.0.2.80\n"
    path.write_text("www.example.org\nwww.example.org +foo\n")
    ended = run("query", "+short", hosts, "-f", str(path))
    assert (ended.returncode, ended.stdout) == (USAGE, "")
    assert "batch, line 2: +foo is not an option" in ended.stderr


def test_explain(hosts: str) -> None:
    """
    The steps are a tree, and an object for programs; drawn with ASCII where the output takes no more.
    """
    ended = run("explain", "www.example.org", hosts)
    assert ended.returncode == OK
    assert "├─ hosts\n" in ended.stdout
    assert "└─ answered after" in ended.stdout
    assert run("explain", "www.example.org", hosts, PYTHONIOENCODING="ascii").stdout.isascii()
    steps = json.loads(run("explain", "www.example.org", hosts, "+json").stdout)["steps"]
    assert steps[0]["source"] == "hosts"
    assert run("explain", "ftp.example.org", hosts).returncode == NO_REPLY
    assert "PTR www.example.org." in run("explain", "-x", "192.0.2.80", hosts).stdout


def test_plugins() -> None:
    """
    All prefixes are listed with what they do, for programs as well.
    """
    lines = run("plugins").stdout.splitlines()
    assert lines[0].split() == ["PREFIX", "FROM", "WHAT", "IT", "DOES"]
    prefixes = [json.loads(line)["prefix"] for line in run("plugins", "+json").stdout.splitlines()]
    assert [line.split()[0] for line in lines[1:]] == prefixes
    assert {"system", "hosts", "udp", "tcp", "threaded", "cache", "chain", "race", "route", "search", "names"} <= set(prefixes)


def test_bulk(hosts: str) -> None:
    """
    Names from a pipe, lines into a pipe.
    """
    ended = run("bulk", "-", hosts, "--ordered", text="www.example.org\nftp.example.org\nwww.example.org AAAA\n")
    assert ended.returncode == OK
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [line.get("data") for line in lines] == [["192.0.2.80"], None, ["2001:db8::80"]]
    assert ended.stderr == ""


@pytest.mark.parametrize("words", [["--version"], ["nothing"], []])
def test_asModule(words: list[str]) -> None:
    """
    C{python -m twisted_ext} is the same as C{txdns}, for where that is not on the path.
    """
    commands = (COMMAND, [sys.executable, "-m", "twisted_ext"])
    one, other = [subprocess.run([*command, *words], capture_output=True, text=True) for command in commands]
    assert (one.returncode, one.stdout, one.stderr) == (other.returncode, other.stdout, other.stderr)


def test_progress(hosts: str) -> None:
    """
    The line that tells how far it has come can be had where the standard error is not a terminal, and is not there otherwise. In the end
    it gives way to one that tells what came of it.
    """
    text = "www.example.org\n" * 20_000
    told = run("bulk", "-", hosts, "--progress", "--rate", "30000", text=text + "no.example.org\n").stderr
    assert "/s  window" in told
    assert told.endswith("txdns bulk: 20,001 names, 1 without answer\n")
    assert run("bulk", "-", hosts, text=text).stderr == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt(number: signal.Signals, hosts: str, tmp_path: Path) -> None:
    """
    Ctrl-C leaves whole lines, says how to go on, and gives the exit code that shells give; going on loses nothing. So does SIGTERM, with
    its own exit code.
    """
    names = tmp_path / "names"
    names.write_text("".join([f"h{number}.example.org\n" for number in range(2000)]))
    output = tmp_path / "output"
    command = [*COMMAND, "bulk", str(names), hosts, "--rate", "500", "--output", str(output)]
    # Whoever runs these tests in the background has told them to ignore Ctrl-C, and programs inherit that.
    heeding = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heeding) as process:
        giveUp = time.monotonic() + 30
        while (not output.exists() or not output.stat().st_size) and time.monotonic() < giveUp:
            time.sleep(0.05)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert f"go on with --resume {output}" in stderr
    assert output.read_text().endswith("\n")
    before = [json.loads(line)["name"] for line in output.read_text().splitlines()]
    assert 0 < len(before) < 2000
    assert run("bulk", str(names), hosts, "--resume", str(output)).returncode == OK
    assert sorted([json.loads(line)["name"] for line in output.read_text().splitlines()]) == sorted(names.read_text().split())


@pytest.mark.parametrize("words", [["query", "-f", "-", "+short"], ["bulk", "-"]])
def test_brokenPipe(words: list[str], hosts: str) -> None:
    """
    When whoever reads our output has seen enough, we end without a word.
    """
    with subprocess.Popen(
        [*COMMAND, *words, hosts], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdout.close()
        try:
            process.stdin.write("www.example.org\n" * 1000)
            process.stdin.close()
        except BrokenPipeError:
            pass
        assert process.wait(timeout=30) == BROKEN_PIPE
        assert process.stderr.read() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("words", [["query", "www.example.org"], ["bulk", "-"], ["--help"], ["explain", "www.example.org"]])
def test_full(words: list[str], hosts: str) -> None:
    """
    When the output cannot be written, one line says why.
    """
    with open("/dev/full", "w") as full:
        command = [*COMMAND, *words, *([] if words == ["--help"] else [hosts])]
        ended = subprocess.run(command, input="a.example\n", stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert ended.returncode == BATCH
    assert ended.stderr.endswith("standard output: No space left on device\n")
    assert ended.stderr.count("\n") == 1


def test_internal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What should never happen is one line too, unless somebody wants to see where.
    """

    def explode(words: list[str]) -> int:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(mainModule, "_dispatch", explode)
    assert main(["query"]) == INTERNAL
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setenv("TXDNS_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["query"])


def test_lazy() -> None:
    """
    Help and mistakes start no reactor and import none, nor anything of twisted.names.
    """
    code = (
        "import sys; from twisted_ext.apps.cli.main import main; main(['--help']); main(['query', '--help']); main(['query', '+foo']);"
        "sys.exit(any(name in sys.modules for name in ('twisted.internet.reactor', 'twisted.names')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
