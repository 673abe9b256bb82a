"""
Follow pages of the documentation to the letter: save their files, type their commands, and compare what comes with what they show.

L{tests.docs.pages} defines what a reader does with each block of a page. Programs run in an interpreter with nothing but the package, in a
folder of their own, with the home folder in it. The servers of C{txdns demo} run already.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tests.apps.terminals import Terminal
from tests.docs.outputs import agrees
from tests.docs.pages import ROOT, Block, Step, blocksIn, stepsOf
from tests.patience import PATIENCE

__all__ = ["DEMO_PORTS", "PORTS", "EXTRAS", "Difference", "Follower", "Ports", "Tally", "follow", "groupsOf", "missingIn", "nameOf"]

#: The ports in the documentation: those of C{txdns demo}, and those of servers that pages start.
DEMO_PORTS: Final = ("5301", "5302", "8080")
PORTS: Final = (*DEMO_PORTS, "4318", "5300", "5380", "8053", "8081", "8082", "8443", "8786", "8853", "9153", "10053")

#: Pages that go on with the files of another one: they follow it in the same folder.
GROUPS: Final = (
    ("howto/encryptedserver", "howto/encrypting", "howto/devices", "commands"),
    ("howto/api", "howto/octodns", "howto/dns01"),
)

#: Pages with figures of a running server, which counts queries: on a busy machine one may be repeated, and then they are followed again.
COUNTING: Final = ("howto/watching",)

TRIES: Final = 3

#: Commands that run until Ctrl-C, and a pattern of what they print when they listen.
_SERVERS: Final = (
    (re.compile(r"twistd -n (?!.*--show-)"), "answering at"),
    (re.compile(r"python \w+_server\.py$"), ""),
    (re.compile(r"python \w+_service\.py( &)?$"), "answering at"),
    (re.compile(r"make serve$"), "In another terminal"),
    (re.compile(r"dask scheduler "), "Scheduler at:"),
    (re.compile(r"dask worker "), "Registered to:"),
)

#: Zones from files, in a command or a settings file, and what a server logs when they are loaded: a reader needs longer to type a query.
_ZONES: Final = re.compile(r"--zone \S+=|^\[\[zone\]\]\n[^\[]*^file = ", re.MULTILINE)
_LOADED: Final = "zones are served after"

#: Commands that the follower itself stands for: its environment has them.
_DONE: Final = re.compile(r"(txdns|make) demo$|(python3 -m )?pip install |python3 -m pip install |make test$")

#: Programs that end only by a signal would hang the follower.
_STOPPING: Final = 10.0


#: The libraries of each extra of this package.
EXTRAS: Final = {
    "shell": ("bcrypt", "appdirs"),
    "cli": ("rich",),
    "robot": ("cronsim",),
    "https": ("h2", "hpack"),
    "quic": ("aioquic", "pylsqpack"),
    "qr": ("segno",),
    "yaml": ("yaml",),
    "api": ("msgspec",),
    "console": ("argon2", "jinja2"),
    "lists": ("re2",),
    "geo": ("maxminddb",),
    "otlp": ("opentelemetry",),
    "dask": ("distributed", "pyarrow", "fsspec"),
}

#: Libraries of one extra that those of another one need.
_NEEDED: Final = {"dask": ("yaml",)}

#: How a page names extras.
_NAMED_EXTRAS: Final = re.compile(r"twisted-ext\[([\w,]+)\]|'\.\[([\w,]+)\]'|extra ``(\w+)``|``(\w+)`` extra")

#: How a page names a program of another project, which has libraries of its own.
_FOREIGN: Final = re.compile(r"pip install octodns")

#: Python runs it before each program.
_HIDING: Final = """
import sys

class Hiding:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hiding())
"""


class Ports:
    """
    The real ports, by the ports in the documentation.
    """

    def __init__(self, real: Mapping[str, int]) -> None:
        self._real = {shown: str(port) for shown, port in real.items()}
        self._shown = {port: shown for shown, port in self._real.items()}

    def __getitem__(self, shown: str) -> str:
        return self._real.get(shown, shown)

    def real(self, text: str) -> str:
        """
        Return the text with the real ports.
        """
        return self._replaced(text, self._real)

    def shown(self, text: str) -> str:
        """
        Return the text with the ports of the documentation.
        """
        return self._replaced(text, self._shown)

    @staticmethod
    def _replaced(text: str, ports: dict[str, str]) -> str:
        if not ports:
            return text
        return re.sub(rf"\b({'|'.join(ports)})\b", lambda found: ports[found[0]], text)


@dataclass(slots=True, frozen=True)
class Difference:
    """
    A command, or a fragment of code, that did not do what its page shows.
    """

    where: str
    typed: str
    wanted: str
    came: str

    def __str__(self) -> str:
        return f"{self.where}: {self.typed}\n--- the page shows:\n{self.wanted}\n--- what came:\n{self.came}\n"


@dataclass(slots=True)
class Tally:
    """
    What was done for a page.

    @ivar missing: libraries that programs of the page need, and that are not installed.
    """

    files: int = 0
    commands: int = 0
    fragments: int = 0
    examples: int = 0
    missing: set[str] = field(default_factory=set)
    differences: list[Difference] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [(self.files, "file"), (self.commands, "command"), (self.fragments, "fragment"), (self.examples, "example to adapt")]
        counted = [(count, what if count == 1 else re.sub(r"^\w+", r"\g<0>s", what)) for count, what in parts if count]
        return ", ".join([f"{count} {what}" for count, what in counted])


def _resetSIGINT() -> None:
    # A shell that runs the follower in the background ignores it, and programs inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class _Server:
    """
    A program that a page starts, and that runs until Ctrl-C.

    @ivar place: the block and the command, as the page shows it.
    """

    def __init__(self, place: tuple[str, str], typed: str, ready: str, port: int, folder: Path, environment: Mapping[str, str]) -> None:
        self.place = place
        self._log = folder / f".log{place[1].count('&')}"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", f"exec {typed}"],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_resetSIGINT,
            )
        settings = re.search(r"--config (\S+)", typed)
        path = folder / (settings.group(1) if settings else "")
        self._ready = [ready]
        if ready and _ZONES.search(typed + (f"\n{path.read_text('utf-8')}" if path.is_file() else "")):
            self._ready.append(_LOADED)
        self._port = port

    def wait(self) -> None:
        """
        Wait until it listens and has its zones, or has ended.
        """
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and not self.hasEnded():
            if all(text in self.said() for text in self._ready) if self._ready[0] else self._connects():
                return
            time.sleep(0.02)

    def hasEnded(self) -> bool:
        return self._process.poll() is not None

    def said(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def _connects(self) -> bool:
        with socket.socket() as connecting:
            return connecting.connect_ex(("127.0.0.1", self._port)) == 0

    def stop(self) -> None:
        """
        Press Ctrl-C.
        """
        with self._process as process:
            if process.poll() is None:
                # A terminal sends it to all processes of the command.
                os.killpg(process.pid, signal.SIGINT)
                try:
                    process.wait(_STOPPING)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)


class Follower:
    """
    Follows pages in one folder. Use it in a C{with} statement, which ends the servers that they start.

    @param folder: an empty folder, whose path is short enough for a Unix socket.
    """

    def __init__(self, folder: Path, ports: Ports) -> None:
        self._folder = folder
        self._ports = ports
        self._home = folder / "home"
        self._server: _Server | None = None
        self._background: _Server | None = None
        self._shell: list[str] = []
        self._extras: set[str] = set()
        kept = {name: value for name, value in os.environ.items() if name in ("LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE")}
        self._clean = {
            **kept,
            "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]),
            "HOME": str(self._home),
            # A control socket of this folder's own, since root has one for the whole machine.
            "TXDNS_CONTROL": str(folder / "control.sock"),
            "TXDNS_NAMESERVERS": ports.real("127.0.0.1:5301"),
            # No search list, whatever the host name of this machine.
            "LOCALDOMAIN": "",
            "PYTHONPATH": str(folder / ".hidden"),
            "COLUMNS": "200",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        }
        self._environment = dict(self._clean)

    def __enter__(self) -> Follower:
        self._home.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._stopBackground()

    def _stop(self, tally: Tally | None = None) -> None:
        server, self._server = self._server, None
        self._end(server, tally)

    def _stopBackground(self, tally: Tally | None = None) -> None:
        server, self._background = self._background, None
        self._end(server, tally)

    @staticmethod
    def _end(server: _Server | None, tally: Tally | None) -> None:
        if server is None:
            return
        if tally is not None and server.hasEnded():
            tally.differences.append(Difference(*server.place, "(a server runs until Ctrl-C)", server.said()))
        server.stop()

    def follow(self, page: Path) -> Tally:
        """
        Follow a page from its first block to its last.
        """
        tally = Tally()
        blocks = blocksIn(page)
        self._hide(page.read_text("utf-8"), [block.text for block in blocks])
        self._environment = dict(self._clean)
        self._shell = []
        fragments: list[Block] = []
        if page == ROOT / "README.rst":
            # Its reader has a checkout.
            self._checkOut()
        for block in blocks:
            match block.kind:
                case "example":
                    tally.examples += 1
                case "file":
                    self._save(block, tally)
                case "console":
                    self._type(block, tally)
                case "session":
                    self._converse(block, tally)
                case "python":
                    fragments.append(block)
                case _:
                    tally.examples += 1
        if fragments:
            self._runFragments(fragments, tally)
        # The next page of a group types its own command to start the server.
        self._stop(tally)
        self._stopBackground(tally)
        return tally

    def _hide(self, text: str, programs: list[str]) -> None:
        """
        Hide the libraries of extras that neither the page names nor one that was followed in this folder before: programs run as if these
        were not installed. Libraries of other projects, such as dnspython for aioxmpp, use what is there, so nothing is hidden from them.
        """
        self._extras |= {extra for found in _NAMED_EXTRAS.findall(text) for extra in re.findall(r"\w+", "".join(found))}
        named = {library for extra in self._extras for library in (*EXTRAS.get(extra, ()), *_NEEDED.get(extra, ()))}
        hidden = [library for libraries in EXTRAS.values() for library in libraries if library not in named]
        foreign = any(re.search(rf"^(from|import) ({'|'.join(_LIBRARIES)})\b", program, re.MULTILINE) for program in programs)
        if foreign or _FOREIGN.search(text):
            hidden = []
        path = Path(self._clean["PYTHONPATH"])
        path.mkdir(exist_ok=True)
        (path / "sitecustomize.py").write_text(_HIDING.format(hidden=hidden), "utf-8")

    # -- files

    def _save(self, block: Block, tally: Tally) -> None:
        if block.caption.startswith("/"):
            tally.examples += 1
            return
        name = block.caption.replace("~", str(self._home), 1) if block.caption.startswith("~") else block.caption
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._ports.real(block.text), "utf-8")
        tally.files += 1
        if path.suffix == ".py":
            tally.missing |= set(missingIn(block.text))

    # -- terminals

    def _type(self, block: Block, tally: Tally) -> None:
        steps = block.steps
        figures = nameOf(ROOT / block.page) in COUNTING
        shown = any(outputOf(step).strip() for step in steps)
        for step in steps:
            if _DONE.match(step.typed):
                continue
            tally.commands += 1
            if (variable := re.match(r"export (\w+)=(\S*)$", step.typed)) is not None:
                self._environment[variable[1]] = self._ports.real(variable[2])
            elif not step.shown.strip() and self._serve(block, step, tally):
                continue
            elif step.typed == "kill %1":
                self._stopBackground(tally)
            elif (interactive := shellOf(step.typed)) is not None:
                self._shell = [self._ports.real(word) for word in interactive]
            else:
                if self._needsMissing(step.typed, tally):
                    continue
                came, code = self._run(step)
                wanted = outputOf(step)
                if shown and not agrees(came, wanted, figures):
                    tally.differences.append(Difference(repr(block), step.typed, wanted, came))
                elif not shown and code:
                    tally.differences.append(Difference(repr(block), step.typed, "(the command succeeds)", f"{came}exit code {code}"))

    def _needsMissing(self, typed: str, tally: Tally) -> bool:
        """
        Return whether a command runs a program whose libraries are not installed.
        """
        words = typed.split()
        for word in words[1:]:
            path = self._folder / (word if word.endswith(".py") else f"{word}.py")
            if path.is_file() and set(missingIn(path.read_text("utf-8"))) & tally.missing:
                return True
        return False

    def _serve(self, block: Block, step: Step, tally: Tally) -> bool:
        """
        Start a server in another terminal, in the place of the previous one, or beside it with C{&}. Return whether the command starts one.
        """
        found = next((ready for pattern, ready in _SERVERS if pattern.match(step.typed)), None)
        if found is None:
            return False
        inBackground = step.typed.endswith(" &")
        (self._stopBackground if inBackground else self._stop)(tally)
        typed = self._ports.real(step.typed).removesuffix(" &")
        if typed.startswith("make "):
            typed += f" PORT={self._ports['5300']}"
        server = _Server((repr(block), step.typed), typed, found, int(self._ports["10053"]), self._folder, self._environment)
        server.wait()
        if inBackground:
            self._background = server
        else:
            self._server = server
        if server.hasEnded():
            (self._stopBackground if inBackground else self._stop)(tally)
        return True

    def _checkOut(self) -> None:
        """
        Lay a checkout whose environment is installed: C{make} is typed in one.
        """
        shutil.copy(ROOT / "Makefile", self._folder)
        programs = self._folder / ".venv" / "bin"
        programs.mkdir(parents=True, exist_ok=True)
        for name in ("pip", "python"):
            (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
            (programs / name).chmod(0o755)
        if not (self._folder / "docs").exists():
            (self._folder / "docs").symlink_to(ROOT / "docs")
        for stamp in ("setup.cfg", "pyproject.toml", ".venv/.has-all"):
            (self._folder / stamp).touch()

    def _run(self, step: Step) -> tuple[str, int]:
        """
        Type a command. Return its output and its exit code.
        """
        typed = self._ports.real(step.typed)
        if typed.startswith("make "):
            self._checkOut()
            typed += f" PORT={self._ports['5300']}"
        given = "".join([f"{line.removeprefix('> ')}\n" for line in step.lines if line.startswith("> ")])
        with subprocess.Popen(
            ["sh", "-c", typed],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                came, _ = process.communicate(self._ports.real(given), PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                came, _ = process.communicate()
                came += f"\n(still running after {PATIENCE:.0f} s)"
        return self._ports.shown(came.replace(f"{self._folder}/", "")), process.returncode

    # -- shells and fragments

    def _converse(self, block: Block, tally: Tally) -> None:
        """
        Type a session into the shell that was started last.
        """
        from tests.tour.shells import leave, outputPattern

        with Terminal(self._shell, {**self._environment, "NO_COLOR": "1"}, str(self._folder)) as terminal:
            terminal.expect(">>> ")
            for step in stepsOf(block.text, ">>> "):
                tally.commands += 1
                terminal.type(f"{self._ports.real(step.typed)}\r")
                try:
                    terminal.expect(outputPattern(self._ports.real(step.shown), ()))
                except AssertionError as error:
                    tally.differences.append(Difference(repr(block), step.typed, step.shown, str(error)))
                    return
            if leave(terminal):
                tally.differences.append(Difference(repr(block), "Ctrl-D", "", terminal.output))

    def _runFragments(self, fragments: list[Block], tally: Tally) -> None:
        """
        Run the fragments of a page in one program.
        """
        pieces: list[tuple[str, str]] = []
        for block in fragments:
            tally.fragments += 1
            missing = set(missingIn(block.text))
            tally.missing |= missing
            if not missing:
                pieces.append((repr(block), self._ports.real(block.text)))
        program = ROOT / "tests" / "docs" / "inline.py"
        done = subprocess.run(
            [sys.executable, str(program)],
            cwd=self._folder,
            env=self._environment,
            input=json.dumps([text for _, text in pieces]),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=2 * PATIENCE,
        )
        if done.stdout or done.returncode:
            tally.differences.append(Difference(pieces[0][0], "the fragments of the page", "(no error)", done.stdout))


def outputOf(step: Step) -> str:
    """
    Return what a page shows of the output of a command, without what the reader types into it.
    """
    return "\n".join([line for line in step.lines if not line.startswith("> ")])


def shellOf(typed: str) -> list[str] | None:
    """
    Return the arguments of C{python} for a command that starts a shell; L{None} for another command.
    """
    words = shlex.split(typed, comments=True)
    match words:
        case ["python", "-m", "twisted.conch.stdio"]:
            return words[1:]
        case ["txdns", "shell", *_]:
            return ["-m", "twisted_ext", *words[1:]]
    return None


def missingIn(code: str) -> Iterator[str]:
    """
    Return the libraries that a program imports, and that are not installed.
    """
    with suppress(SyntaxError):
        for node in ast.walk(compile(code, "page", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)):
            match node:
                case ast.Import(names=names):
                    found = [name.name for name in names]
                case ast.ImportFrom(module=str(module), level=0):
                    found = [module]
                case _:
                    continue
            for name in found:
                top = name.partition(".")[0]
                if top in _LIBRARIES and find_spec(top) is None:
                    yield top


#: Libraries of other projects that programs in the pages need.
_LIBRARIES: Final = ("aiohttp", "aioxmpp", "scrapy", "synapse", "treq")


def follow(pages: list[Path], new: Callable[[], Follower]) -> list[Tally]:
    """
    Follow pages in one folder; again, up to L{TRIES} times, if the first of them counts queries.

    @param new: makes a follower in a folder of its own.
    """
    tries = TRIES if nameOf(pages[0]) in COUNTING else 1
    tallies: list[Tally] = []
    for _ in range(tries):
        with new() as follower:
            tallies = [follower.follow(page) for page in pages]
        if not any(tally.differences for tally in tallies):
            break
    return tallies


def nameOf(page: Path) -> str:
    """
    Return the name of a page, such as C{howto/install}.
    """
    return str(page.relative_to(ROOT)).removeprefix("docs/").removesuffix(".rst") if page.is_relative_to(ROOT) else page.stem


def groupsOf(pages: list[Path]) -> list[list[Path]]:
    """
    Return the pages that are followed in one folder, in order; most are alone.
    """
    names = {path: nameOf(path) for path in pages}
    groups: list[list[Path]] = []
    for path, name in names.items():
        together = next((group for group in GROUPS if name in group), None)
        if together is None:
            groups.append([path])
        elif name == together[0] or not any(first == together[0] for first in names.values()):
            groups.append([ROOT / "docs" / f"{each}.rst" for each in together])
    return groups
