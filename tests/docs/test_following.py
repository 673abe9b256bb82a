"""
Every page of the documentation can be followed to the letter.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.docs.following import DEMO_PORTS, EXTRAS, PORTS, Follower, Ports, follow, groupsOf, missingIn, nameOf
from tests.docs.listings import Servers
from tests.docs.pages import ROOT, blocksIn, pagesIn
from tests.patience import PATIENCE
from tests.peers import freePort
from twisted_ext.addrinfo.services import systemServicesPath

__all__: list[str] = []

_NewFollower = Callable[[], Follower]

#: Pages whose programs look up ports in the services file.
_SERVICES = ("howto/addresses", "howto/asyncio")
_SERVICES_FILE = Path(systemServicesPath())

#: Pages whose programs connect to C{::1}.
_IPV6 = ("howto/install", "howto/programs", "howto/operating")

GROUPS = groupsOf([path for path in pagesIn() if blocksIn(path)])


@pytest.fixture
def follower(servers: Servers) -> Iterator[_NewFollower]:
    """
    Return a function that makes followers in folders of their own, on free ports. Paths are short, since names of Unix sockets must fit.
    """
    folders: list[Path] = []

    def new() -> Follower:
        folders.append(Path(tempfile.mkdtemp(prefix="txdns-")))
        free = {shown: freePort("127.0.0.1") for shown in PORTS if shown not in DEMO_PORTS}
        return Follower(folders[-1], Ports({**servers.ports, **free}))

    yield new
    for folder in folders:
        _remove(folder)


def _remove(folder: Path) -> None:
    # The process that records queries ends a moment after its server, and writes what it still has.
    until = time.monotonic() + PATIENCE
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=time.monotonic() < until)
        time.sleep(0.05)


@pytest.mark.parametrize("pages", GROUPS, ids=lambda pages: nameOf(pages[0]))
def test_pageCanBeFollowed(pages: list[Path], follower: _NewFollower, servers: Servers) -> None:
    """
    The commands of a page, typed as they stand by a reader who saves its files, print what the page shows, and its code runs.
    """
    if nameOf(pages[0]) in _IPV6 and not servers.hasIPv6:
        pytest.skip("this machine has no loopback address of IPv6")
    if nameOf(pages[0]) in _SERVICES and not re.search(rb"^https\s", _SERVICES_FILE.read_bytes(), re.MULTILINE):
        pytest.skip(f"{_SERVICES_FILE} has no line for https; on Debian: apt install netbase")
    tallies = follow(pages, follower)
    assert "\n".join([str(difference) for tally in tallies for difference in tally.differences]) == ""
    missing = set().union(*[tally.missing for tally in tallies])
    if missing:
        pytest.skip(f"{', '.join(sorted(missing))} is not installed")


PAGE = """
.. code-block:: python
   :caption: saying.py

   print("one")

.. code-block:: console

   $ python saying.py
   {shown}

.. code-block:: console

   $ {command}

.. code-block:: console
   :caption: Example: replace 192.0.2.53 by your server

   $ false

Then::

    {code}
"""


@pytest.fixture
def page(tmp_path: Path) -> Callable[..., Path]:
    """
    Return a function that writes a page.
    """

    def write(shown: str = "one", command: str = "true", code: str = "import twisted_ext") -> Path:
        path = tmp_path / "followed.rst"
        path.write_text(PAGE.format(shown=shown, command=command, code=code))
        return path

    return write


def test_pageAsItStands(page: Callable[..., Path], follower: _NewFollower) -> None:
    """
    Files are saved, commands typed, fragments run; what is marked as an example is not typed.
    """
    (tally,) = follow([page()], follower)
    assert tally.differences == []
    assert str(tally) == "1 file, 2 commands, 1 fragment, 1 example to adapt"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"shown": "two"}, "python saying.py\n--- the page shows:\ntwo\n--- what came:\none\n"),
        ({"command": "false"}, "exit code 1"),
        ({"command": "python -c 'import segno'"}, "ModuleNotFoundError: No module named 'segno'"),
        ({"command": "twistd -n txdns --port nonsense"}, "(a server runs until Ctrl-C)"),
        ({"code": "client.install()"}, "NameError: name 'client' is not defined"),
        ({"code": "import twisted_ext.compat; twisted_ext.asyncio.install(None)"}, "AttributeError"),
    ],
)
def test_differenceIsReported(changed: dict[str, str], said: str, page: Callable[..., Path], follower: _NewFollower) -> None:
    """
    Other output, a command that fails, a server that does not start and code that lacks an import are reported with their place.
    """
    (tally,) = follow([page(**changed)], follower)
    assert said in "".join(map(str, tally.differences))
    assert all(difference.where.startswith("followed.rst:") for difference in tally.differences)
    assert len(tally.differences) == 1


def test_missingLibrariesAreFound() -> None:
    """
    A program that imports an absent library of another project is found before it is run, and others are not.
    """
    assert list(missingIn("import twisted_ext, asyncio\nfrom twisted.web import client\nawait client.x()")) == []
    assert list(missingIn("from aioxmpp_absent import x")) == []


def test_extrasAreKnown() -> None:
    """
    The libraries of each extra can be hidden from pages that do not name it.
    """
    found = ConfigParser()
    found.read(ROOT / "setup.cfg")
    extras = found["options.extras_require"]
    assert set(EXTRAS) == set(extras) - {"all", "dev", "docs", "test", "test-integrations"}
    for extra, libraries in EXTRAS.items():
        for library in libraries:
            assert library in extras[extra].lower() or extra == "shell"
