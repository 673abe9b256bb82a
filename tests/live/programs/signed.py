"""
Signed zones, for validating resolvers to accept or reject.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.peers import peer

__all__ = ["signed"]


def signed(origin: str, text: str, folder: Path) -> tuple[str, str]:
    """
    Sign a zone with a new key.

    @param text: a master file.
    @param folder: an empty one, for the files of the tools.
    @return: the signed zone, and the DS record of the key.
    """

    def run(program: str, *words: str) -> None:
        subprocess.run([peer(program), *words], check=True, capture_output=True, cwd=folder)

    (folder / "zone").write_text(text)
    run("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", origin)
    # Sign everything with that key, since there is no other.
    run("dnssec-signzone", "-q", "-S", "-z", "-o", origin, "-f", "signed", "zone")
    return (folder / "signed").read_text(), (folder / f"dsset-{origin}.").read_text().strip()
