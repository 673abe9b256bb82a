"""
Tests of C{txdns} as a whole: its output, its errors and its exit codes. Few of them need a server.
"""

from __future__ import annotations

import json
import os
import re
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
from tests.patience import PATIENCE
from twisted_ext._compiled import isCompiled
from twisted_ext.apps.cli import main as mainModule
from twisted_ext.apps.cli.main import COMMANDS, main
from twisted_ext.apps.cli.terminal.exits import BATCH, BROKEN_PIPE, INTERNAL, NO_REPLY, OK, USAGE

COMMAND = [sys.executable, "-m", "twisted_ext.apps.cli.main"]


@pytest.fixture
def hosts(tmp_path: Path) -> str:
    """
    Return the description of a hosts file.
    """
    path = tmp_path / "hosts"
    path.write_text("192.0.2.80 www.example.org www\n2001:db8::80 www.example.org\n")
    return f"@hosts:{path}"


def run(*words: str, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """
    Run C{txdns} in a process of its own.
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
def test_helpShowsUsage(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Each command's help names it, shows its usage, and fits a usual screen width.
    """
    assert main([command, "--help"]) == OK
    output = capsys.readouterr().out
    assert output.startswith(f"Usage: txdns {command}")
    assert output.count(f"txdns {command}") >= 2
    # That of servers is as wide as twistd's.
    assert max(len(line) for line in output.splitlines()) <= (130 if command in ("forward", "recurse", "serve") else 97)


def test_helpListsAllCommands(capsys: pytest.CaptureFixture[str]) -> None:
    """
    The help lists all commands; a missing command is an error.
    """
    assert main(["--help"]) == OK
    output = capsys.readouterr().out
    assert all(f"  {command.word} " in output for command in COMMANDS)
    assert main([]) == USAGE
    assert capsys.readouterr().err == output


@pytest.mark.parametrize("words", [[command.word] for command in COMMANDS] + [["zone", "check"], ["zone", "diff"]], ids=" ".join)
def test_helpCommandEqualsOption(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """
    C{txdns help COMMAND} prints the same as C{txdns COMMAND --help}.
    """
    assert main([*words, "--help"]) == OK
    wanted = capsys.readouterr().out
    assert main(["help", *words]) == OK
    assert capsys.readouterr().out == wanted


def test_helpOnUnknownCommand(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Help on an unknown command is an error that names the nearest one.
    """
    assert main(["help", "qury"]) == USAGE
    assert capsys.readouterr().err == "txdns: unknown command 'qury'; did you mean query?\n"


def test_versionIsOneLine(capsys: pytest.CaptureFixture[str]) -> None:
    """
    The version is one line, which says whether the code is compiled.
    """
    assert main(["--version"]) == OK
    kind = "compiled" if isCompiled() else "not compiled"
    assert re.fullmatch(rf"txdns 0\.\S+, {kind} \(Twisted \S+, Python \S+\)\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        ("qury x", USAGE, "txdns: unknown command 'qury'; did you mean query?"),
        ("--port 53 serve", USAGE, "the command comes first, and its options follow it; write: txdns serve --port"),
        ("keys keys", USAGE, "txdns keys: unknown command 'keys'; write one of new, list, ds"),
        ("www.example.org MX", USAGE, "txdns: unknown command 'www.example.org'; to look up a name, write: txdns query www"),
        ("run", USAGE, "txdns: unknown command 'run'; to run a server, write: txdns forward, txdns recurse or txdns serve"),
        ("query a..b", USAGE, "txdns query: 'a..b': a label is empty"),
        ("query www.example.org +foo", USAGE, "txdns query: +foo is not an option"),
        ("query www.example.org IXFR @127.0.0.1", USAGE, "txdns query: IXFR needs the serial of the version"),
        ("query www.example.org AXFR @hosts", USAGE, "txdns query: @hosts is not a server that can transfer zones"),
        ("query -f no-such-file", BATCH, "txdns query: -f no-such-file: No such file or directory"),
        ("query www.example.org @foo:bar", USAGE, "there is no prefix 'foo'; there are system, hosts"),
        ("query www.example.org @a..b", USAGE, "@a..b is not an address, a description or a name"),
        ("query www.example.org @udp:300.1.1.1", USAGE, "300.1.1.1"),
        ("query www.example.org @udp:127.0.0.1 -p 53", USAGE, "write the port in the description"),
        ("query www.example.org @127.0.0.1 -6", USAGE, "-6: @127.0.0.1 has no IPv6 server"),
        ("explain", USAGE, "txdns explain: a name is missing"),
        ("explain a..b", USAGE, "txdns explain: 'a..b'"),
        ("explain www.example.org FOO", USAGE, "txdns explain: 'FOO' is not a record type"),
        ("explain -x foo", USAGE, "txdns explain: -x 'foo' is not an IP address"),
        ("explain -x", USAGE, "txdns explain: -x must be followed by an address"),
        ("explain www.example.org @192.0.2.1 @192.0.2.2", USAGE, "txdns explain: two servers, @192.0.2.1 and @192.0.2.2"),
        ("explain www.example.org @", USAGE, "txdns explain: @ must be followed by a server"),
        ("query www.example.org @", USAGE, "txdns query: @ must be followed by a server"),
        ("query www.example.org @192.0.2.1 @ 192.0.2.2", USAGE, "txdns query: two servers, @192.0.2.1 and @192.0.2.2"),
        ("query www.example.org A IN XX", USAGE, "unexpected argument 'XX': name, type and class are given already"),
        ("explain www.example.org @foo:", USAGE, "there is no prefix 'foo'"),
        ("bulk no-such-file", BATCH, "txdns bulk: no-such-file: No such file or directory"),
        ("bulk - @foo:", USAGE, "there is no prefix 'foo'"),
        ("plugins udq", USAGE, "txdns plugins: unknown prefix 'udq'; did you mean udp?"),
        ("shell a b", USAGE, "txdns shell: 'a b': write one resolver description"),
    ],
)
def test_mistakeIsOneLine(words: str, code: int, line: str) -> None:
    """
    A mistake gives one line on standard error, nothing on standard output, and an exit code without a traceback.
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
def test_closedStreamIsReportedWhereNeeded(words: str, closed: str, code: int, line: str, hosts: str) -> None:
    """
    A closed or full stream is an error only if the command needs it.
    """
    command = f"{shlex.join(COMMAND)} {words} '{hosts}' {closed}"
    # With a buffer, as for users: Python writes its contents again at exit.
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    ended = subprocess.run(
        ["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, env=environment
    )
    assert ended.returncode == code
    assert line in ended.stderr
    assert ended.stderr.count("\n") == bool(line)


def test_controlCharactersAreEscaped(hosts: str) -> None:
    """
    Control characters in arguments, files and replies are escaped.
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


def test_brokenPluginIsReported(hosts: str, tmp_path: Path) -> None:
    """
    A plugin that cannot be imported is reported in one line, with a traceback only on request.
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


def test_queryShowsLocalAnswer(hosts: str) -> None:
    """
    An answer without a server is shown like any other.
    """
    ended = run("query", "www.example.org", hosts)
    assert (ended.returncode, ended.stderr) == (OK, "")
    assert "www.example.org.	86400	IN	A	192.0.2.80" in ended.stdout
    assert ";; SOURCE: hosts " in ended.stdout
    assert run("query", "www.example.org", "AAAA", "+short", hosts).stdout == "2001:db8::80\n"
    assert run("query", "-x", "192.0.2.80", "+short", hosts).stdout == "www.example.org.\n"
    assert json.loads(run("query", "www.example.org", "+json", hosts).stdout)["answer"][0]["data"] == "192.0.2.80"


def test_explainDoesNotCountImports(tmp_path: Path) -> None:
    """
    The times of a look-up do not include the imports of the process, and absent flags are not shown.
    """
    program = """if True:
        import sys
        from twisted_ext.apps.cli import main
        from twisted_ext.resolver.lookup import explain as explaining

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


def test_failedQueryIsReported(hosts: str) -> None:
    """
    A failed look-up is reported in one line, and as an object with C{+json}.
    """
    ended = run("query", "ftp.example.org", "+json", hosts)
    assert ended.returncode == NO_REPLY
    assert json.loads(ended.stdout)["kind"] == "Unknown"
    assert "ftp.example.org" in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [["query", "www.example.org"], ["explain", "www.example.org"], ["plugins"]])
def test_jsonOptionWithDashes(words: list[str], hosts: str) -> None:
    """
    C{--json} works like C{+json}.
    """
    ended = run(*words, "--json", *([] if words == ["plugins"] else [hosts]))
    assert (ended.returncode, ended.stderr) == (OK, "")
    assert all(isinstance(json.loads(line), dict) for line in ended.stdout.splitlines())


@pytest.mark.parametrize(
    "words",
    [["query", "+time=2", "+tries=1"], ["explain"], ["getaddrinfo"], ["services"]],
)
def test_terminalShowsWaiting(words: list[str]) -> None:
    """
    A user at a terminal is told that there is no answer yet; a program is not.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        more = ["_a._tcp.example.org", f"@127.0.0.1:{silent.getsockname()[1]}"]
        with Terminal([*COMMAND[1:], *words, *more]) as terminal:
            terminal.expect(f"txdns {words[0]}: no answer yet; Ctrl-C ends it")
        if words[0] == "query":
            assert "no answer yet" not in run(*words, *more).stderr


def test_batchFileIsCheckedFirst(hosts: str, tmp_path: Path) -> None:
    """
    A batch file has one look-up a line, and a mistake in it is found before the first query.
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


def test_explainDrawsATree(hosts: str) -> None:
    """
    C{explain} draws the steps as a tree, in ASCII where needed, or prints an object.
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


def test_pluginsListsAllPrefixes() -> None:
    """
    C{plugins} lists all prefixes with their purpose, for users and programs.
    """
    lines = run("plugins").stdout.splitlines()
    assert lines[0].split() == ["PREFIX", "FROM", "WHAT", "IT", "DOES"]
    prefixes = [json.loads(line)["prefix"] for line in run("plugins", "+json").stdout.splitlines()]
    assert [line.split()[0] for line in lines[1:]] == prefixes
    assert {"system", "hosts", "udp", "tcp", "threaded", "cache", "chain", "race", "route", "search", "names"} <= set(prefixes)


def test_bulkBetweenPipes(hosts: str) -> None:
    """
    C{bulk} reads names from a pipe and writes lines to a pipe.
    """
    ended = run("bulk", "-", hosts, "--ordered", text="www.example.org\nftp.example.org\nwww.example.org AAAA\n")
    assert ended.returncode == OK
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [line.get("data") for line in lines] == [["192.0.2.80"], None, ["2001:db8::80"]]
    assert ended.stderr == ""


@pytest.mark.parametrize("words", [["--version"], ["nothing"], []])
def test_moduleEqualsCommand(words: list[str]) -> None:
    """
    C{python -m twisted_ext} is the same as C{txdns}.
    """
    commands = (COMMAND, [sys.executable, "-m", "twisted_ext"])
    one, other = [subprocess.run([*command, *words], capture_output=True, text=True) for command in commands]
    assert (one.returncode, one.stdout, one.stderr) == (other.returncode, other.stdout, other.stderr)


def test_progressOnRequest(hosts: str) -> None:
    """
    C{--progress} shows progress without a terminal and ends with a summary; there is none otherwise.
    """
    text = "www.example.org\n" * 20_000
    shown = run("bulk", "-", hosts, "--progress", "--rate", "30000", text=text + "no.example.org\n").stderr
    assert "/s  window" in shown
    assert shown.endswith("txdns bulk: 20,001 names, 1 without answer\n")
    assert run("bulk", "-", hosts, text=text).stderr == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interruptedBulkCanResume(number: signal.Signals, hosts: str, tmp_path: Path) -> None:
    """
    An interrupt leaves complete lines, names the option to resume, and gives the exit code of the signal; resuming loses nothing.
    """
    names = tmp_path / "names"
    names.write_text("".join([f"h{number}.example.org\n" for number in range(2000)]))
    output = tmp_path / "output"
    command = [*COMMAND, "bulk", str(names), hosts, "--rate", "500", "--output", str(output)]
    # A shell that runs the tests in the background ignores Ctrl-C, and programs inherit that.
    restoreSIGINT = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=restoreSIGINT) as process:
        giveUp = time.monotonic() + PATIENCE
        while (not output.exists() or not output.stat().st_size) and time.monotonic() < giveUp:
            time.sleep(0.05)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number
    assert f"go on with --resume {output}" in stderr
    assert output.read_text().endswith("\n")
    before = [json.loads(line)["name"] for line in output.read_text().splitlines()]
    assert 0 < len(before) < 2000
    assert run("bulk", str(names), hosts, "--resume", str(output)).returncode == OK
    assert sorted([json.loads(line)["name"] for line in output.read_text().splitlines()]) == sorted(names.read_text().split())


@pytest.mark.parametrize("words", [["query", "-f", "-", "+short"], ["bulk", "-"]])
def test_closedReaderEndsQuietly(words: list[str], hosts: str) -> None:
    """
    The command ends without an error if the reader of its output closes the pipe.
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
def test_fullDiskIsReported(words: list[str], hosts: str) -> None:
    """
    An output that cannot be written is a one-line error.
    """
    with open("/dev/full", "w") as full:
        command = [*COMMAND, *words, *([] if words == ["--help"] else [hosts])]
        ended = subprocess.run(command, input="a.example\n", stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert ended.returncode == BATCH
    assert ended.stderr.endswith("standard output: No space left on device\n")
    assert ended.stderr.count("\n") == 1


def test_internalErrorIsOneLine(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An unexpected exception is one line, with a traceback only on request.
    """

    def explode(words: list[str]) -> int:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(mainModule, "_dispatch", explode)
    assert main(["query"]) == INTERNAL
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setenv("TXDNS_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["query"])


def test_helpImportsNoReactor() -> None:
    """
    Help and mistakes import neither a reactor nor twisted.names.
    """
    code = (
        "import sys; from twisted_ext.apps.cli.main import main; main(['--help']); main(['query', '--help']); main(['query', '+foo']);"
        "sys.exit(any(name in sys.modules for name in ('twisted.internet.reactor', 'twisted.names')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
