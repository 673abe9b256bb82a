"""
All plugins that are not about DNS: C{twistd txdns robot} on two networks of ngircd, asked by clients of another project, with a provider of
documents, web pages and the webhook.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.request import Request, urlopen

from tests.docs.listings import LISTINGS
from tests.live.robot.networks import Client, Ngircd, Running, until
from tests.live.twistds import twistd
from tests.peers import freePort

__all__: list[str] = []

_SETTINGS: Final = """
state = "state"
resolver = "hosts:hosts"
plugin-folders = ["plugins"]

[[network]]
name = "one"
endpoint = "tcp:127.0.0.1:{one}"
channels = ["#dns"]
interval = 0

[[network]]
name = "two"
endpoint = "tcp:127.0.0.1:{two}"
channels = ["#dns"]
interval = 0

[access]
owners = ["one/alice!*@*"]

[access.commands]
tell = "anyone"

[web]
listen = "127.0.0.1:{web}"

[web.tokens]
chat = {{ env = "ROBOT_CHAT_TOKEN" }}

[http]
hosts = ["http://provider.test:{http}"]
private = ["provider.test"]

[plugin.relay]
links = ["one/#dns = two/#dns"]

[plugin.logs]
channels = ["one/#dns"]

[plugin.search]
url = "http://provider.test:{http}/search?q={{query}}"

[plugin.weather]
url = "http://provider.test:{http}/weather/{{place}}"
line = "{{place}}: {{now.temperature}} °C"

[plugin.packages]
url = "http://provider.test:{http}/package/{{package}}"

[plugin.ttl]
"""

_TOKEN: Final = "a-token-of-the-robot"

#: The provider's documents.
_DOCUMENTS: Final = {
    "/search?q=two%20words": {"results": [{"title": "Found", "url": "https://found.example/"}]},
    "/weather/New%20York": {"place": "New York", "now": {"temperature": 21.5}},
    "/package/twisted": {"info": {"version": "26.4"}},
}

#: What Alice, the owner, writes in the channel, and how the lines of the replies begin.
_SAID: Final = (
    ("search two words", "Found https://found.example/"),
    ("weather New York", "New York: 21.5 °C"),
    ("weather nowhere", "provider.test: it replied with the status 404"),
    ("package twisted", "twisted 26.4"),
    ("follow twisted", "new releases of twisted are announced here; the newest is 26.4"),
    ("followed", "twisted"),
    ("unfollow twisted", "twisted is not followed here any more"),
    ("seen eve", "eve last spoke "),
    ("ttl provider.test", "provider.test: "),
    ("ignore eve", "one/eve!*@* is ignored"),
    ("ignored", "one/eve!*@*"),
    ("unignore eve", "one/eve!*@* is not ignored any more"),
    ("logs", "http://127.0.0.1:"),
    ("logs two words", "http://127.0.0.1:"),
    ("tell carol welcome", "carol gets your message when "),
)

#: The same in private: a channel gets no more than 20 replies a minute.
_WHISPERED: Final = (
    ("help", "commands: "),
    ("help seen", "seen NICK: "),
    ("plugins", "help: commands, plugins"),
    ("more", "relay: "),
    ("reload ttl", "the plugin ttl is loaded again"),
    ("unload ttl", "the plugin ttl is unloaded"),
    ("load ttl", "the plugin ttl is loaded"),
    ("ttl provider.test", "provider.test: "),
)


class _Provider(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = _DOCUMENTS.get(self.path)
        body = json.dumps(found).encode()
        self.send_response(404 if found is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None: ...


@contextmanager
def provider() -> Iterator[int]:
    """
    Serve the documents, and yield the port.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Provider)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def robot(folder: Path, **ports: int) -> Iterator[Running]:
    """
    Run the robot.
    """
    (folder / "robot.toml").write_text(_SETTINGS.format(**ports), "utf-8")
    (folder / "hosts").write_text("127.0.0.1 provider.test\n")
    (folder / "plugins").mkdir(mode=0o755)
    shutil.copy(LISTINGS / "robot" / "plugins" / "ttl.py", folder / "plugins")
    environment = {**os.environ, "XDG_CONFIG_HOME": str(folder / "none"), "ROBOT_CHAT_TOKEN": _TOKEN}
    log = folder / "log"
    with log.open("wb") as opened:
        words = ("-n", "--pidfile=", "txdns", "robot", "--config", "robot.toml")
        process = subprocess.Popen(twistd(*words), cwd=folder, env=environment, stdout=opened, stderr=opened)
    try:
        yield Running(process, log)
    finally:
        process.terminate()
        process.wait(60)


def page(port: int, path: str) -> str:
    """
    Return a page of the robot.
    """
    with urlopen(f"http://127.0.0.1:{port}/{path}") as found:
        text: str = found.read().decode()
    return text


def ask(port: int, **message: str) -> list[str]:
    """
    Pass a message to the webhook, and return the robot's lines.
    """
    headers = {"Authorization": f"Bearer {_TOKEN}", "Content-Type": "application/json"}
    with urlopen(Request(f"http://127.0.0.1:{port}/hook", json.dumps(message).encode(), headers)) as found:
        lines: list[str] = json.load(found)["lines"]
    return lines


def test_allPluginsAnswer(tmp_path: Path) -> None:
    """
    Each command is answered in the channel, people of the other network hear it, strangers may not write, messages are given to those who
    come, and the pages have what was said.
    """
    web = freePort("127.0.0.1")
    with Ngircd("one.example") as one, Ngircd("two.example") as two, provider() as http:
        alice, eve, bob = Client(one, "alice"), Client(one, "eve"), Client(two, "bob")
        for client in (alice, eve, bob):
            client.join("#dns")
        with robot(tmp_path, one=one.port, two=two.port, web=web, http=http) as running:
            for client in (alice, bob):
                client.awaits("join txbot #dns")
            eve.says("#dns", "hello <b>all</b>")
            alice.awaits("eve #dns hello")
            bob.awaits("txbot #dns <eve> hello <b>all</b>")
            for text, said in _WHISPERED:
                alice.says("txbot", text)
                alice.awaits(f"privmsg txbot alice {said}")
            for text, said in _SAID:
                alice.says("#dns", f"!{text}")
                alice.awaits(f"txbot #dns {said}")
                bob.awaits(f"txbot #dns <txbot> {said}")
            bob.says("#dns", "I hear it")
            alice.awaits("txbot #dns <bob> I hear it")
            for text in ("ignore alice", "search two words", "follow twisted", "unload help"):
                eve.says("txbot", text)
                assert "only the owner may call it" in eve.awaits(f"privmsg txbot eve {text.split()[0]} ")
            carol = Client(one, "carol")
            carol.join("#dns")
            assert "welcome" in carol.awaits("txbot #dns carol")
            until(lambda: "&lt;b&gt;all&lt;/b&gt;" in page(web, "logs/search?q=hello"), running.log)
            eve.says("txbot", "nolog")
            eve.awaits("privmsg txbot eve what eve says is not logged from now on")
            alice.says("txbot", "forget eve")
            assert "lines are deleted" in alice.awaits("privmsg txbot alice ")
            assert "&lt;b&gt;all&lt;/b&gt;" not in page(web, "logs/search?q=hello")
            assert ask(web, person="dave", text="help ttl") == [
                "ttl NAME: Show for how long the address of a name may be cached."
            ]
            assert "only the owner may call it" in ask(web, person="alice", text="unload help")[0]
            assert "Traceback" not in running.log()
            assert _TOKEN not in running.log()
        for client in (alice, eve, bob, carol):
            client.leave()
