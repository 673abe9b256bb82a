"""
Types command lines into real shells, at a terminal, and returns what the shells make of them.
"""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.patience import PATIENCE
from tests.requirements import missing
from twisted_ext.apps.cli.completion.command import completionScript

__all__ = ["Terminal", "candidatesOfFish", "needed", "terminal"]

_PROMPT: Final = b"ready> "

#: What each shell runs first: the key Tab inserts all candidates, and the programs print their arguments.
_BEGINNINGS: Final = {
    "bash": "bind '\"\\t\": insert-completions'; bind '\"\\C-t\": complete'; set +o history",
    "zsh": "autoload -Uz compinit; compinit -D -u; zle -C everything complete-word _generic; bindkey '\\t' everything; "
    "bindkey '^T' expand-or-complete; zstyle ':completion:everything:*' completer _all_matches _complete; "
    "zstyle ':completion:everything:*' insert yes; zstyle ':completion:*' old-matches no; unsetopt beep; unsetopt zle_bracketed_paste",
}

_START: Final = {"bash": ["bash", "--noprofile", "--norc", "-i"], "zsh": ["zsh", "-f", "-i"]}


def needed(shell: str) -> str:
    """
    Return the path of a shell; skip or fail the running test without it.
    """
    return shutil.which(shell) or missing("peers", f"{shell} is not installed (Debian: apt install {shell})")


class Terminal:
    """
    A shell at a terminal.
    """

    def __init__(self, fileno: int) -> None:
        self._fileno = fileno
        self._seen = b""

    def typed(self, keys: str) -> list[str]:
        """
        Return the arguments that a program gets from the typed keys and Return.
        """
        # Keys that are typed before the prompt would be for the terminal, not for the shell's editor.
        self.until(_PROMPT)
        os.write(self._fileno, keys.encode() + b"\r")
        text = self.until(b"\n<END>").decode(errors="replace")
        return [line[1:-1] for line in text.replace("\r", "").splitlines() if line.startswith("<") and line.endswith(">")][:-1]

    def until(self, mark: bytes) -> bytes:
        end = time.monotonic() + PATIENCE
        while mark not in self._seen:
            if not select.select([self._fileno], [], [], max(0.0, end - time.monotonic()))[0]:
                raise AssertionError(f"the shell printed only {self._seen!r}")
            self._seen += os.read(self._fileno, 65536)
        found, _, self._seen = self._seen.partition(mark)
        return found + mark


@contextmanager
def terminal(shell: str, folder: Path, *programs: str) -> Iterator[Terminal]:
    """
    Start a shell with the completion of these programs, in a folder.
    """
    program = needed(shell)
    for each in programs:
        (folder / f"{each}.{shell}").write_text(completionScript(shell, each))
    functions = "; ".join([f"{each}() {{ printf '\\n'; printf '<%s>\\n' \"$@\"; printf '<END>'; echo; }}" for each in programs])
    sourced = "; ".join([f"source ./{each}.{shell}" for each in programs])
    master, slave = pty.openpty()
    environment = {"TERM": "dumb", "PATH": os.environ["PATH"], "HOME": str(folder), "INPUTRC": os.devnull, "LC_ALL": "C.UTF-8"}
    environment["PS1"] = _PROMPT.decode()
    process = subprocess.Popen(
        [program, *_START[shell][1:]], cwd=folder, env=environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    )
    os.close(slave)
    try:
        found = Terminal(master)
        (folder / "begin").write_text(f"{_BEGINNINGS[shell]}\n{sourced}\n{functions}\nstty -echo 2>/dev/null\nprintf 'REA''DY\\n'\n")
        os.write(master, b". ./begin\r")
        found.until(b"READY\r\n")
        (folder / "begin").unlink()
        for each in programs:
            (folder / f"{each}.{shell}").unlink()
        yield found
    finally:
        process.kill()
        process.wait()
        os.close(master)


def candidatesOfFish(program: str, lines: list[str], folder: Path) -> dict[str, dict[str, str]]:
    """
    Return what fish offers for each line, with the descriptions.
    """
    (folder / "script.fish").write_text(completionScript("fish", program))
    asked = "".join([f"complete -C '{line}'; echo '---'; " for line in lines])
    done = subprocess.run(
        [needed("fish"), "--no-config", "-c", f"source script.fish; {asked}"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert not done.stderr, done.stderr
    parts = done.stdout.split("---\n")
    rows = [[line.partition("\t") for line in part.splitlines()] for part in parts]
    return {line: {name: help for name, _, help in row} for line, row in zip(lines, rows, strict=False)}
