"""
Zones with signatures, which whoever validates believes or does not.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.peers import peer

__all__ = ["signed"]


def signed(origin: str, text: str, folder: Path) -> tuple[str, str]:
    """
    Sign a zone by one key that is made for it.

    @param text: a master file.
    @param folder: an empty one, for what comes of it.

    @return: the zone with its signatures, and the key's DS record, by which others know it.
    """

    def run(program: str, *words: str) -> None:
        subprocess.run([peer(program), *words], check=True, capture_output=True, cwd=folder)

    (folder / "zone").write_text(text)
    run("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", origin)
    # All of it by that key: there is no other.
    run("dnssec-signzone", "-q", "-S", "-z", "-o", origin, "-f", "signed", "zone")
    return (folder / "signed").read_text(), (folder / f"dsset-{origin}.").read_text().strip()
