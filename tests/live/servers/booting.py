"""
A machine on which a real systemd is process 1: Linux namespaces and a copy-on-write view of the files of this machine. It changes nothing
on this machine, and has no network except its own loopback interface.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.patience import PATIENCE

__all__ = ["Machine", "boot"]

_UNSHARE: Final = ("unshare", "--mount", "--uts", "--ipc", "--net", "--cgroup", "--pid", "--fork", "--kill-child")

#: Runs as process 1 of the namespaces, prepares the files and becomes systemd. All units of the distribution except the journal are
#: removed. C{/dev} has what a service needs and no device.
_BOOT: Final = """
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs run
mount --rbind /sys sys
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/shm dev/pts
mount -t tmpfs tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
for folder in etc/systemd/system lib/systemd/system; do
    for wants in "$folder"/*.wants "$folder"/*.requires; do
        [ -d "$wants" ] || continue
        find "$wants" -mindepth 1 ! -name 'systemd-journald*' -exec rm -f {} +
    done
done
ip link set lo up 2>/dev/null || ifconfig lo up
pivot_root . mnt
cd /
umount -l /mnt
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=basic.target --log-target=journal
"""


class Machine:
    """
    A running machine.
    """

    def __init__(self, process: int) -> None:
        """
        @param process: its process 1, as this machine numbers it.
        """
        self._process = process

    def run(self, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """
        Run a command in the machine, as root.

        @param given: its standard input.
        """
        command = ["nsenter", "--target", str(self._process), "--all", "--", *words]
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        return subprocess.run(command, input=given, capture_output=True, text=True, timeout=PATIENCE, env=environment)

    def write(self, path: str, text: str) -> None:
        """
        Write a file in the machine, and create its folders.
        """
        done = self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1"', "sh", path, given=text)
        assert done.returncode == 0, done.stderr

    def propertyOf(self, unit: str, name: str) -> str:
        """
        Return a property of a unit, as C{systemctl show} prints it.
        """
        return self.run("systemctl", "show", "--value", "--property", name, unit).stdout.strip()


@contextmanager
def boot(folder: Path) -> Iterator[Machine | None]:
    """
    Start the machine, and stop it afterwards. Yield L{None} where that is impossible: it takes root, systemd, and namespaces with overlay
    mounts.

    @param folder: an empty folder.
    """
    lacking = [each for each in ("unshare", "nsenter", "/lib/systemd/systemd") if shutil.which(each) is None]
    if os.geteuid() or lacking:
        yield None
        return
    with subprocess.Popen([*_UNSHARE, "sh", "-c", _BOOT, "sh", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as outer:
        try:
            yield _ready(outer)
        finally:
            outer.send_signal(signal.SIGKILL)


def _ready(outer: subprocess.Popen[bytes]) -> Machine | None:
    end = time.monotonic() + PATIENCE
    while outer.poll() is None and time.monotonic() < end:
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        if children:
            machine = Machine(int(children[0]))
            if machine.run("systemctl", "is-active", "basic.target").stdout.strip() == "active":
                return machine
        time.sleep(0.1)
    return None
