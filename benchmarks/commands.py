"""
Processor time that commands of C{txdns} take, beside dig and kdig.

    python -m benchmarks.commands [rounds]

Medians, in milliseconds of user and system time together, each of a new process with the bytecode of all modules in C{__pycache__}; rounds
are interleaved. A server of this program answers.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import sys
import threading

__all__ = ["main", "measure"]

#: Commands by their names in the table. C{SERVER} and C{PORT} are those of the server.
_COMMANDS = {
    "query": "txdns query www.example.org @SERVER -p PORT",
    "query +short": "txdns query www.example.org @SERVER -p PORT +short",
    "query --help": "txdns query --help",
    "explain": "txdns explain www.example.org @SERVER:PORT",
    "completion bash": "txdns completion bash",
    "--version": "txdns --version",
    "dig": "dig www.example.org @SERVER -p PORT",
    "kdig": "kdig www.example.org @SERVER -p PORT",
}


def _reply(query: bytes) -> bytes:
    """
    Return a reply with one address.
    """
    end = query.index(b"\0", 12) + 5
    return query[:2] + b"\x84\0\0\1\0\1\0\0\0\0" + query[12:end] + b"\xc0\x0c\0\1\0\1\0\0\x0e\x10\0\4\xc0\0\2\1"


def _answer(sock: socket.socket) -> None:
    while True:
        query, client = sock.recvfrom(4096)
        sock.sendto(_reply(query), client)


def measure(words: list[str]) -> float:
    """
    Run a command; return its milliseconds of processor time.
    """
    nowhere = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = os.posix_spawn(words[0], words, environment, file_actions=nowhere)
    _, status, used = os.wait4(process, 0)
    if status:
        raise SystemExit(f"commands: {' '.join(words)}: exit code {os.waitstatus_to_exitcode(status)}")
    return (used.ru_utime + used.ru_stime) * 1e3


def main() -> None:
    rounds = int(sys.argv[1]) if sys.argv[1:] else 11
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        threading.Thread(target=_answer, args=(sock,), daemon=True).start()
        commands: dict[str, list[str]] = {}
        for name, text in _COMMANDS.items():
            word, *words = text.replace("SERVER", "127.0.0.1").replace("PORT", str(sock.getsockname()[1])).split()
            program = shutil.which(word) if word != "txdns" else sys.executable
            if program is None:
                print(f"commands: {word} is not installed", file=sys.stderr)
                continue
            commands[name] = [program, *(["-m", "twisted_ext"] if word == "txdns" else []), *words]
            # Writes the bytecode.
            measure(commands[name])
        rows: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, words in commands.items():
                rows[name].append(measure(words))
        for name, times in rows.items():
            print(f"{name:24}{statistics.median(times):6.0f} ms")
        sys.stdout.flush()
        # The thread still waits for queries.
        os._exit(0)


if __name__ == "__main__":
    main()
