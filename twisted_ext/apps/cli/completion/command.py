"""
C{txdns completion}: prints the completion of command lines for a shell.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.completion.shells import PROGRAMS, SHELLS
from twisted_ext.apps.cli.terminal.arguments import Arguments, didYouMean
from twisted_ext.apps.cli.terminal.exits import OK, USAGE, ExitError

if TYPE_CHECKING:
    from twisted_ext.apps.cli.completion.grammar import Grammar

__all__ = ["ARGUMENTS", "SCRIPTS", "completionScript", "main"]

#: The folder of completions that a release brings.
SCRIPTS: Final = os.path.join(os.path.dirname(__file__), "scripts")

_HELP: Final = """\
Usage: txdns completion SHELL [PROGRAM]

Prints the completion of command lines for bash, zsh or fish: commands, options, record types,
servers after @, and file names where files are meant. PROGRAM is txdns, or twistd for the
settings of twistd txdns. An installed package has these files in its share folder, where shells
find them if it is /usr, /usr/local or in XDG_DATA_DIRS. Elsewhere, such as in an environment:

  eval "$(txdns completion bash)"                           in ~/.bashrc
  eval "$(txdns completion bash twistd)"                    in ~/.bashrc
  txdns completion zsh > ~/.zfunc/_txdns                    once; with fpath+=~/.zfunc before
                                                            compinit in ~/.zshrc
  txdns completion fish > ~/.config/fish/completions/txdns.fish        once

The printed text runs no program at a key press, so it is written anew after an update of this
package.

Exit codes: 0 done, 1 wrong usage.
"""

ARGUMENTS: Final = Arguments(_HELP)


def completionScript(shell: str, program: str) -> str:
    """
    Return the completion of a program for a shell.

    @param shell: one of L{SHELLS}.
    @param program: one of L{PROGRAMS}.
    """
    from twisted_ext.apps.cli.completion.grammar import commandGrammars, twistdGrammars

    grammars = list(commandGrammars() if program == "txdns" else twistdGrammars())
    module = import_module(f"twisted_ext.apps.cli.completion.{shell}")
    script: Callable[[str, Sequence[Grammar]], str] = getattr(module, f"{shell}Script")
    return script(program, grammars)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if not given.bare or len(given.bare) > 2:
        raise ExitError(USAGE, f"{'two arguments at most' if given.bare else 'the shell is missing'}; write: {ARGUMENTS.usage}")
    shell, program = (*given.bare, PROGRAMS[0])[:2]
    if shell not in SHELLS:
        raise ExitError(USAGE, f"{shell!r} is not a shell with completion; {didYouMean(shell, SHELLS, 'write bash, zsh or fish')}")
    if program not in PROGRAMS:
        raise ExitError(USAGE, f"{program!r} is not a program of this package; {didYouMean(program, PROGRAMS, 'write txdns or twistd')}")
    print(_written(shell, program) or completionScript(shell, program), end="")
    return OK


def _written(shell: str, program: str) -> str:
    """
    Return the completion that an installed package has in a file, C{""} in a checkout. To make it, all commands are imported.
    """
    try:
        with open(os.path.join(SCRIPTS, f"{program}.{shell}"), encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""
