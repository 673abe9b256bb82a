"""
Our server with all encrypted transports, a certificate of a test authority, and a zone in which each name has an address.
"""

from __future__ import annotations

import re
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.certificates import certificateFor, written
from tests.live.twistds import Twistd, exchange, wait
from tests.patience import PATIENCE
from tests.peers import freePort
from tests.transport.tlsservers import keyOf, leaf

__all__ = ["ADDRESS", "NAME", "WRONG_PIN", "Encrypted", "Trust", "freshName", "output", "serving"]

#: The name in the certificate, which is for 127.0.0.1 as well.
NAME: Final = "dns.example"

#: The address of each name below test.example.
ADDRESS: Final = "192.0.2.80"

#: A pin that no key has.
WRONG_PIN: Final = "A" * 43 + "="

_ZONE: Final = f"""\
$TTL 300
@    SOA  ns mail 1 3600 600 86400 300
@    NS   ns
ns   A    127.0.0.1
page A    127.0.0.1
*.page A  127.0.0.1
long TXT  {" ".join(['"' + "x" * 250 + '"'] * 12)}
*    A    {ADDRESS}
"""

_numbers: Final = count(1)


class Trust:
    """
    The files of a server's certificate, and what clients need to check it.

    @ivar pair: key and certificate.
    @ivar ca: the authority that has issued the certificate.
    @ivar otherCA: another authority.
    @ivar pin: the SHA-256 digest of the server's public key, in base64.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = written(folder)
        self.pair = folder / "pair.pem"
        self.pair.write_bytes(leaf(NAME, "127.0.0.1"))
        self.otherCA = folder / "other.pem"
        # A certificate that is its own authority, which has issued no other.
        self.otherCA.write_bytes(certificateFor("other.example").partition(b"-----BEGIN CERT")[2].join([b"-----BEGIN CERT", b""]))
        spki = keyOf("server").public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.pin = b64encode(sha256(spki).digest()).decode("ascii")


#: Ports to try: another program may take one before the server does.
_TRIES: Final = 3


class Encrypted(Twistd):
    """
    @ivar tls: the port of DNS over TLS.
    @ivar https: the port of DNS over HTTPS.
    @ivar quic: the port of DNS over QUIC.
    @ivar trust: its certificate.
    """

    def __init__(self, folder: Path, *words: str) -> None:
        self.trust = Trust(folder)
        self.tls, self.https, self.quic = (freePort("127.0.0.1") for _ in range(3))
        zone = folder / "test.example"
        zone.write_text(_ZONE)
        listeners = [word for kind in ("tls", "https", "quic") for word in (f"--{kind}", f"127.0.0.1:{getattr(self, kind)}")]
        trust = ["--certificate", str(self.trust.pair)]
        super().__init__(folder, *listeners, *trust, "--zone", f"test.example={zone}", "--no-recursive", "--query-log", *words)

    def url(self, path: str = "/dns-query", host: str = "127.0.0.1") -> str:
        """
        Return the URL of DNS over HTTPS, or of another path.
        """
        return f"https://{host}:{self.https}{path}"

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            # Zones are loaded after the start.
            wait(lambda: self.gives("www.test.example", [ADDRESS]), self)
        except BaseException:
            self.stop()
            raise
        return self

    def transports(self, name: str) -> set[str]:
        """
        Return the transports by which clients have asked for a name until now.
        """
        last = freshName("last")
        exchange(self.port, last)
        # Lines are logged in the order of the queries, but after the replies.
        wait(lambda: last in self.text(), self)
        return set(re.findall(rf"query {re.escape(name)}\. IN \S+ from \S+ by (\w+)", self.text(), re.IGNORECASE))


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[Encrypted]:
    """
    Run a server with further options.
    """
    for left in reversed(range(_TRIES)):
        server = Encrypted(folder, *words)
        try:
            server.__enter__()
            break
        except AssertionError as error:
            if not left or "is in use" not in str(error):
                raise
    try:
        yield server
    finally:
        server.stop()


def freshName(label: str = "www") -> str:
    """
    Return a name that has not been asked for, below a label.
    """
    return f"n{next(_numbers)}.{label}.test.example"


def output(*words: str | Path, environment: dict[str, str] | None = None) -> str:
    """
    Return what a program prints.

    @param environment: its whole environment, instead of that of this process.
    """
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, env=environment)
    return (done.stdout + done.stderr).decode("latin-1")
