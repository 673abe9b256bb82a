"""
The first day of a household, from an empty folder on: C{python -m tests.live.console.firstday FOLDER}, in a network namespace of its own.
One command, all else in the browser. A list is served at an address that looks public.
"""

from __future__ import annotations

import html
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

from tests.certificates import certificateFor, written
from tests.live.console.test_console import PASSWORD, Browser, Console
from tests.live.console.test_settings import press
from tests.live.twistds import wait
from tests.live.upstreams import Upstream
from tests.peers import freePort, peer
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import A

#: One for documentation, which no list of private addresses has.
_PUBLIC = "198.51.100.80"

_RD = 0x0100


class _Lists(BaseHTTPRequestHandler):
    """
    Serves a list.
    """

    text = "ads.example.net\n"
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        octets = self.text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def log_message(self, *words: object) -> None:
        pass


class House:
    """
    A server that was set up.

    @ivar port: that of the console.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "home"
        self.port, self.dns = freePort("127.0.0.1"), freePort("127.0.0.1")
        self.log = folder / "log"
        self.environment = {**os.environ, "SSL_CERT_FILE": str(written(folder)), "TXDNS_CONTROL": str(folder / "control")}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *words: str, given: bytes = b"") -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *words], stdin=subprocess.PIPE, stdout=log, stderr=log, env=self.environment, start_new_session=True
            )
        assert self.process.stdin is not None
        self.process.stdin.write(given)
        self.process.stdin.close()
        wait(self._isUp)

    def _isUp(self) -> bool:
        with socket.socket() as connecting:
            return connecting.connect_ex(("127.0.0.1", self.port)) == 0

    def end(self, how: signal.Signals) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, how)
        self.process.wait()

    def rcode(self, name: str, client: str = "127.0.0.1") -> int:
        """
        Return the rcode of a reply.
        """
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.bind((client, 0))
            asking.settimeout(20)
            asking.sendto(buildMessage(Message(1, _RD, (Question(nameFromText(name), A),))), ("127.0.0.1", self.dns))
            return asking.recv(4096)[3] & 15


def day(folder: Path, upstream: Upstream) -> None:
    """
    Do what a household does on its first day.
    """
    house = House(folder)
    words = ["--user", "anna", "--port", str(house.dns), "--interface", "127.0.0.1", "--listen", f"127.0.0.1:{house.port}"]
    setup = ["-m", "twisted_ext", "console", "setup", str(house.folder), *words]
    house.start(*setup, given=f"{PASSWORD}\n".encode())
    try:
        browser = Browser(cast(Console, house))
        # An upstream, which replies.
        browser.get("/upstreams")
        assert press(browser, "Try it and add it", value=upstream.label) == f"added udp:{upstream.label} to upstream for all clients"
        assert house.rcode("ads.example.net") == Rcode.NOERROR and house.rcode("games.example.net") == Rcode.NOERROR
        # A list by URL: tried on what was asked, and added as it was then.
        wait(lambda: browser.get("/queries?name=games.example.net") == 200 and "games.example.net." in browser.page)
        browser.get("/blocking")
        url = f"https://{_PUBLIC}/hosts/ads.txt"
        assert browser.post("/blocking/try", action="list", url=url) == 200, browser.page
        page = html.unescape(browser.page)
        assert "1 query for 1 name would be blocked" in page and "ads.example.net." in page and "the list has 1 rule." in page
        assert (house.rcode("ads.example.net"), _Lists.asked) == (Rcode.NOERROR, 1)
        _Lists.text = "other.example.net\n"
        assert press(browser, "Add list ads").startswith(f"added list ads, from {_PUBLIC}; applied list ads to all clients")
        # The first blocked name.
        assert (house.rcode("ads.example.net"), house.rcode("other.example.net"), _Lists.asked) == (Rcode.NXDOMAIN, Rcode.NOERROR, 1)
        # A second list, without trying.
        assert press(browser, "Add the list", url=f"https://{_PUBLIC}/second.txt") == (
            f"added list second, from {_PUBLIC}; applied list second to all clients"
        )
        assert house.rcode("other.example.net") == Rcode.NXDOMAIN
        # A view for the children, with a list at times.
        browser.get("/views")
        assert press(browser, "Add", name="children", clients="127.0.0.2") == "added view children: 127.0.0.2/32"
        browser.get("/blocking")
        press(browser, "Add the times", name="today", days="mon-sun", times="00:00-24:00")
        said = press(browser, "Add the names", names="games.example.net", name="games", view="children", when="during today")
        assert said == "added list games; applied list games during today to view children"
        assert (house.rcode("games.example.net", "127.0.0.2"), house.rcode("games.example.net")) == (Rcode.NXDOMAIN, Rcode.NOERROR)
        # A pause, and its end.
        press(browser, "Pause", view="children", time="5m")
        wait(lambda: house.rcode("games.example.net", "127.0.0.2") == Rcode.NOERROR)
        press(browser, "Block again for view children")
        wait(lambda: house.rcode("games.example.net", "127.0.0.2") == Rcode.NXDOMAIN)
        # Someone else who may look; and another password than that of the command.
        browser.get("/users")
        fields = {"password": "battery staple", "again": "battery staple", "current": PASSWORD}
        said = "clara can sign in now, with scope read."
        assert press(browser, "Add user", name="clara", scope="read", **fields) == said
        browser.get("/password")
        assert browser.post("/password", **fields) == 303
        assert Browser(cast(Console, house), "clara", "battery staple").get("/queries") == 403
        # An undo; and everything holds after the machine has lost its power.
        browser.get("/changes")
        assert press(browser, "Undo: added view children: 127.0.0.2/32") == "removed view children"
        assert house.rcode("games.example.net", "127.0.0.2") == Rcode.NOERROR
        assert press(browser, "Undo: removed view children").startswith("added view children: 127.0.0.2/32; ")
        house.end(signal.SIGKILL)
        started = "from twisted.scripts.twistd import run; run()"
        house.start("-P", "-c", started, "-n", "--pidfile", "", "txdns", "--config", str(house.folder / "txdns.toml"))
        wait(lambda: house.rcode("games.example.net", "127.0.0.2") == Rcode.NXDOMAIN)
        wait(lambda: house.rcode("ads.example.net") == Rcode.NXDOMAIN)
        browser = Browser(cast(Console, house), "anna", "battery staple")
        browser.get("/changes")
        page = html.unescape(browser.page)
        assert "paused blocking for view children for 5 minutes" in page and "removed view children" in page
        assert "added user clara with scope read" in page and "gave user anna another password" in page
        text = house.log.read_text("utf-8", "replace")
        assert "Traceback" not in text and PASSWORD not in text and "staple" not in text, text
    finally:
        house.end(signal.SIGTERM)


def main(folder: str) -> None:
    for words in (("link", "set", "lo", "up"), ("address", "add", f"{_PUBLIC}/32", "dev", "lo")):
        subprocess.run([str(peer("ip")), *words], check=True)
    made = Path(folder)
    (made / "lists.pem").write_bytes(certificateFor(_PUBLIC))
    lists = ThreadingHTTPServer((_PUBLIC, 443), _Lists)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made / "lists.pem")
    lists.socket = context.wrap_socket(lists.socket, server_side=True)
    threading.Thread(target=lists.serve_forever, daemon=True).start()
    with Upstream(otherwise=0) as upstream:
        day(made, upstream)


if __name__ == "__main__":
    main(sys.argv[1])
