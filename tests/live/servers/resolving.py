"""
Runs a small internet of signed zones and C{twistd txdns recurse} in a network namespace of their own, and prints what dig gets::

    unshare --user --map-root-user --net python -m tests.live.servers.resolving FOLDER

NSD serves the root at one address, C{tld} at another, and the zones below it at a third.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from tests.live.twistds import twistd
from tests.patience import PATIENCE
from tests.peers import peer
from twisted_ext.testing.internet.seededsigner import SigningKey, signZone
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rdata.text import recordFromText, recordToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DS, A

__all__ = ["ECDSA", "RESOLVER", "authority", "main", "signed", "waitFor", "zoneOf"]

#: The algorithm of keys: P-256 with SHA-256.
ECDSA: Final = 13

_ROOT: Final = "198.51.100.1"
_TOP: Final = "198.51.100.2"
_LEAF: Final = "198.51.100.3"

#: Where the resolver listens.
RESOLVER: Final = "127.0.0.1"


#: Commands for the server, each with the key of its output.
_CONTROLLED: Final = {
    "anchors": ["anchors"],
    "delegations": ["delegations", "tld"],
    "flushed": ["cache", "flush", "--below", "good.tld"],
    "fewer": ["delegations"],
    "added": ["nta", "add", "bogus.tld=+1h"],
    "negative": ["anchors"],
    "wrong": ["nta", "add", "bogus.tld=+9d"],
}


def zoneOf(apex: str, address: str, *lines: str) -> list[RRSet]:
    """
    Return the records of a zone.

    @param address: that of its server.
    @param lines: further records.
    """
    server = f"ns.{apex}" if apex != "." else "ns."
    text = [
        f"{apex} 300 SOA {server} hostmaster.{server} 1 3600 600 86400 60",
        f"{apex} 300 NS {server}",
        f"{server} 300 A {address}",
        *lines,
    ]
    return [recordFromText(line) for line in text]


def signed(records: list[RRSet], apex: str, key: SigningKey) -> list[RRSet]:
    """
    Return a zone signed for a day.
    """
    now = int(time.time())
    return signZone(records, [key], nameFromText(apex), now - 3600, now + 86400)


def _write(folder: Path, apex: str, records: list[RRSet]) -> Path:
    path = folder / f"zone-{apex.rstrip('.') or 'root'}"
    path.write_text("".join([f"{line}\n" for rrset in records for line in recordToText(rrset)]), "utf-8")
    return path


def authority(folder: Path, address: str, zones: dict[str, list[RRSet]]) -> subprocess.Popen[bytes]:
    """
    Start NSD at an address, with some zones.
    """
    own = folder / address
    own.mkdir()
    lines = [
        "server:",
        f"  ip-address: {address}",
        '  username: ""',
        f'  pidfile: "{own}/pid"',
        f'  xfrdir: "{own}"',
        f'  xfrdfile: "{own}/xfrd"',
        f'  zonelistfile: "{own}/list"',
        # Version 4 keeps a database otherwise.
        '  database: ""',
        "remote-control:\n  control-enable: no",
    ]
    for apex, records in zones.items():
        lines += ["zone:", f'  name: "{apex}"', f'  zonefile: "{_write(own, apex, records)}"']
    (own / "conf").write_text("\n".join([*lines, ""]))
    with (own / "log").open("wb") as log:
        return subprocess.Popen([str(peer("nsd")), "-d", "-c", str(own / "conf")], stdout=log, stderr=log)


def _dig(*words: str, at: str = RESOLVER) -> str:
    command = [str(peer("dig")), f"@{at}", "+tries=1", "+time=5", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _control(path: Path, *words: str) -> str:
    command = [sys.executable, "-m", "twisted_ext", "control", "--socket", str(path), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _said(text: str) -> dict[str, object]:
    """
    Return status, flags, answer records and extended error of what dig has printed.
    """
    status = re.search(r"status: (\w+)", text)
    flags = re.search(r"flags: ([\w ]*);", text)
    error = re.search(r"EDE: (\d+)", text)
    return {
        "status": status[1] if status else None,
        "ad": bool(flags and "ad" in flags[1].split()),
        "addresses": re.findall(r"^\S+\s+\d+\s+IN\s+A\s+(\S+)", text, re.MULTILINE),
        "ede": int(error[1]) if error else None,
    }


def waitFor(ready: str, at: str, process: subprocess.Popen[bytes] | None = None) -> None:
    """
    Wait until a server answers for a zone or a name.

    @param process: it; if it ends instead, that is noticed at once.
    """
    ends = time.monotonic() + PATIENCE
    while "status: " not in _dig("+norec", ready, "SOA", at=at):
        if time.monotonic() > ends or process is not None and process.poll() is not None:
            raise SystemExit(f"{at} does not answer")
        time.sleep(0.1)


def main(folder: Path) -> None:
    for words in (["link", "set", "lo", "up"], *[["address", "add", f"{each}/32", "dev", "lo"] for each in (_ROOT, _TOP, _LEAF)]):
        subprocess.run([str(peer("ip")), *words], check=True)
    keys = {name: SigningKey.generate(ECDSA, name) for name in (".", "tld.", "good.tld.", "bogus.tld.")}

    def delegation(apex: str, address: str) -> list[str]:
        lines = [f"{apex} 300 NS ns.{apex}", f"ns.{apex} 300 A {address}"]
        if apex in keys:
            lines.append(f"{apex} 300 DS {rdataToText(DS, keys[apex].ds(nameFromText(apex)))}")
        return lines

    root = signed(zoneOf(".", _ROOT, *delegation("tld.", _TOP)), ".", keys["."])
    top = [each for apex in ("good.tld.", "bogus.tld.", "plain.tld.") for each in delegation(apex, _LEAF)]
    records = ["www.good.tld. 300 A 192.0.2.1", "alias.good.tld. 300 CNAME www.plain.tld."]
    good = signed(zoneOf("good.tld.", _LEAF, *records), "good.tld.", keys["good.tld."])
    bogus = signed(zoneOf("bogus.tld.", _LEAF, "www.bogus.tld. 300 A 192.0.2.2"), "bogus.tld.", keys["bogus.tld."])
    # The address is not the one that was signed.
    www = nameFromText("www.bogus.tld")
    bogus = [RRSet(www, A, 1, 300, (b"\xc0\x00\x02\x63",)) if each.name == www and each.rrType == A else each for each in bogus]
    plain = zoneOf("plain.tld.", _LEAF, "www.plain.tld. 300 A 192.0.2.3")
    (folder / "hints").write_text(f". 3600 NS ns.\nns. 3600 A {_ROOT}\n")
    (folder / "anchor").write_text(f". 3600 IN DS {rdataToText(DS, keys['.'].ds(ROOT))}\n")
    running = [
        authority(folder, _ROOT, {".": root}),
        authority(folder, _TOP, {"tld.": signed(zoneOf("tld.", _TOP, *top), "tld.", keys["tld."])}),
        authority(folder, _LEAF, {"good.tld.": good, "bogus.tld.": bogus, "plain.tld.": plain}),
    ]
    control = folder / "control"
    words = ["--interface", RESOLVER, "--root-hints", str(folder / "hints"), "--trust-anchor", str(folder / "anchor")]
    words += ["--control", str(control), "--hosts-file", "", *sys.argv[2:]]
    try:
        for apex, address in ((".", _ROOT), ("tld.", _TOP), ("plain.tld.", _LEAF)):
            waitFor(apex, address)
        with (folder / "log").open("wb") as log:
            command = twistd("-n", "--pidfile", str(folder / "pid"), "txdns", "recurse", *words)
            running.append(subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ)))
        waitFor("localhost", RESOLVER)
        asked = {
            "secure": ["www.good.tld", "+adflag"],
            "secureDO": ["www.good.tld", "+noadflag", "+dnssec"],
            "unasked": ["www.good.tld", "+noadflag"],
            "again": ["www.good.tld", "+adflag"],
            "denied": ["nothing.good.tld", "+adflag"],
            "insecure": ["www.plain.tld", "+adflag"],
            "mixed": ["alias.good.tld", "+adflag"],
            "bogus": ["www.bogus.tld", "+adflag"],
            "unchecked": ["www.bogus.tld", "+adflag", "+cd"],
            "bogusAgain": ["www.bogus.tld", "+adflag"],
        }
        found: dict[str, object] = {name: _said(_dig(*words)) for name, words in asked.items()}
        for name, command in _CONTROLLED.items():
            found[name] = _control(control, *command)
        found["suspended"] = _said(_dig("www.bogus.tld", "+adflag"))
        found["removed"] = _control(control, "nta", "remove", "bogus.tld")
        found["resumed"] = _said(_dig("www.bogus.tld", "+adflag"))
        running[-1].send_signal(signal.SIGHUP)
        found["reloaded"] = _said(_dig("www.good.tld", "+adflag"))
        sys.stdout.write(json.dumps(found))
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(PATIENCE)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
