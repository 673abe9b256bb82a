"""
Files in C{/etc} for one program, which runs in a mount namespace of its own. This takes no rights of root.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.peers import peer

__all__ = ["withFiles"]

#: Copy what the user may read of /etc, add the files, and make /run an empty folder.
_SCRIPT: Final = """
set -e
mount -t tmpfs tmpfs "$1"
cp -dR /etc/. "$1" 2>/dev/null || true
cp -R "$2/." "$1"
mount --bind "$1" /etc
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/resolve
shift 2
exec "$@"
"""


def withFiles(folder: Path, files: Mapping[str, str], command: Sequence[str]) -> list[str]:
    """
    Return the command line that runs a command with further files, or skip the test where mount namespaces are not permitted.

    @param folder: a folder of its own.
    @param files: texts by their paths, which begin with C{/etc/}.
    """
    namespace = [str(peer("unshare")), "--user", "--map-root-user", "--mount"]
    if subprocess.run([*namespace, "true"], capture_output=True).returncode:
        pytest.skip("this machine does not permit mount namespaces, which put files into /etc for one program")
    mounted, added = folder / "mounted", folder / "added"
    mounted.mkdir(exist_ok=True)
    for path, text in files.items():
        place = added / Path(path).relative_to("/etc")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return [*namespace, "bash", "-c", _SCRIPT, "bash", str(mounted), str(added), *command]
