"""
Write the files that a release has in its C{share} folder, from the declarations that C{--help} is made from.

    python docs/share.py FOLDER

In FOLDER, C{man} has the manual pages and the other folders the completion for bash, zsh and fish. Sphinx's builder of manual pages is not
used: the sources of these pages are tables, and a release needs no documentation tools. C{SOURCE_DATE_EPOCH} sets the date of the pages.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from twisted_ext._version import __version__
from twisted_ext.apps.cli.completion.command import completionScript
from twisted_ext.apps.cli.completion.grammar import Grammar, Word, commandGrammars, twistdGrammars
from twisted_ext.apps.cli.completion.shells import PROGRAMS, SHELLS
from twisted_ext.apps.cli.main import COMMANDS
from twisted_ext.apps.tap import Options
from twisted_ext.server.config.setting import Setting, shown
from twisted_ext.server.config.types import COUNT, FLAG
from twisted_ext.server.config.zonesettings import ZONE_SETTINGS
from twisted_ext.server.settings.helptext import EXAMPLES, INTRODUCTIONS, LIKE_TWISTD
from twisted_ext.server.settings.plugged import allSettings

#: Where each shell looks for the completion of a program, below a share folder.
COMPLETIONS: Final = {
    "bash": "bash-completion/completions/{}",
    "zsh": "zsh/site-functions/_{}",
    "fish": "fish/vendor_completions.d/{}.fish",
}

#: Commands that have others below them.
_GROUPS: Final = ("txdns", "txdns zone", "txdns keys", "txdns policy")

#: Variables and what they do, by a pattern for the help of commands that use them.
_VARIABLES: Final = {
    "NO_COLOR": ("color", "if it is not empty, colors are printed on request only"),
    "TXDNS_CONTROL": ("control socket|TXDNS_CONTROL", "the control socket of the server"),
    "TXDNS_STORE": ("TXDNS_STORE", "the database of zones"),
    "TXDNS_PURE": ("", "if it is 1, the source runs where compiled modules are installed"),
    "TXDNS_DEBUG": ("", "if it is not empty, an internal error is printed with its traceback"),
}

#: Beginnings of the lines of examples.
_EXAMPLE: Final = re.compile(r"  (?:txdns|twistd|echo|zcat|send|eval|>)\b|  >")


#: Characters that roff reads or prints as others.
_ESCAPES: Final = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"}


def date() -> str:
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return (datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)).strftime("%Y-%m-%d")


def escaped(text: str) -> str:
    """
    Return a text whose characters mean themselves.
    """
    text = "".join([_ESCAPES.get(each) or (each if each < "\x7f" else f"\\[u{ord(each):04X}]") for each in text])
    return "\n".join([f"\\&{line}" if line.startswith(".") else line for line in text.split("\n")])


def bold(text: str) -> str:
    return f"\\fB{escaped(text)}\\fR"


def italic(text: str) -> str:
    return f"\\fI{escaped(text)}\\fR" if text else ""


def heading(name: str, section: int, summary: str) -> list[str]:
    title = f'.TH {escaped(name.upper())} {section} {date()} "txdns {__version__}" "txdns manual"'
    return [title, ".SH NAME", f"{escaped(name)} \\- {escaped(summary)}"]


def example(lines: Iterable[str]) -> list[str]:
    return [".PP", ".nf", ".RS 2", *[escaped(line.removeprefix("  ")) for line in lines], ".RE", ".fi"]


def terms(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    """
    Yield a list of terms, which are roff already, with their descriptions.
    """
    for term, text in rows:
        yield from (".TP", term, escaped(text))


def seeAlso(pages: Iterable[tuple[str, int]]) -> list[str]:
    listed = [f".BR {escaped(name)} ({section})" for name, section in pages]
    return [".SH SEE ALSO", *[f"{each} ," for each in listed[:-1]], listed[-1]]


def optionTerms(words: Iterable[Word]) -> Iterator[tuple[str, str]]:
    """
    Yield the names of each option, and its description.
    """
    rows: list[tuple[list[Word], str]] = []
    for word in words:
        if word.negative:
            continue
        if rows and rows[-1][1] == word.help and not word.help.startswith("accepted"):
            rows[-1][0].append(word)
        else:
            rows.append(([word], word.help))
    for same, help in rows:
        value = same[0].value
        mark = "" if not value else italic(value) if same[0].attached else f" {italic(value)}"
        yield ", ".join([bold(each.name) for each in same]) + mark, help


def body(text: str) -> tuple[list[str], list[str], list[str], str]:
    """
    Divide a help text, after its usage, into the lines of the description, of lists with their headings, of examples, and the exit codes.
    """
    prose: list[str] = []
    examples: list[str] = []
    lists: list[str] = []
    codes = ""
    for paragraph in text.strip("\n").split("\n\n"):
        lines = paragraph.split("\n")
        lead = [line for line in lines if not line.startswith(" ")]
        rest = [line for line in lines if line.startswith(" ")]
        if paragraph.startswith("Exit codes: "):
            codes = " ".join(lines).removeprefix("Exit codes: ")
        elif rest and _EXAMPLE.match(rest[0]):
            shown = example(line for line in lines if line not in lead)
            if lead and lead != ["Examples:"]:
                prose += [".PP", escaped(" ".join(lead)), *shown]
            else:
                examples += shown
        elif rest and re.match(r"  [-+@]", rest[0]):
            # Options have a section of their own.
            continue
        elif rest:
            shown = [*terms([(bold(term), help) for term, help in rowsOf(rest)])]
            if lead:
                prose += [".PP", escaped(" ".join(lead)), *shown]
            else:
                lists += shown
        else:
            prose += [".PP", escaped(" ".join(lead))]
    return prose, lists, examples, codes


def rowsOf(lines: Iterable[str]) -> list[tuple[str, str]]:
    """
    Return the rows of a table of two columns in a help text.
    """
    rows: list[tuple[str, str]] = []
    for line in lines:
        found = re.fullmatch(r"  (\S.*?)(?:  +(\S.*))?", line)
        if found is None and rows:
            rows[-1] = (rows[-1][0], f"{rows[-1][1]} {line.strip()}".strip())
        elif found is not None:
            rows.append((found[1], found[2] or ""))
    return rows


def commandPage(grammar: Grammar) -> str:
    """
    Return the page of a command.
    """
    name = grammar.path.replace(" ", "-")
    usage, _, rest = grammar.text.partition("\n\n")
    forms = re.sub(r"\n +(?!\s*txdns)", " ", usage.removeprefix("Usage: ")).split("\n")
    lines = [*heading(name, 1, grammar.summary), ".SH SYNOPSIS"]
    for number, form in enumerate(forms):
        command, _, arguments = form.strip().partition(grammar.path)
        lines += [".br"] * bool(number) + [f"{bold(command + grammar.path)}{escaped(arguments)}"]
    if grammar.path in _GROUPS:
        rest = re.sub(r"Commands:\n(?:  .*\n)+\n", "", rest)
    prose, lists, examples, codes = body(rest)
    lines += [".SH DESCRIPTION", *prose[1:]] if prose else []
    lines += [".SH COMMANDS"] * bool(lists or grammar.below and grammar.path in _GROUPS) + lists
    if grammar.path in _GROUPS:
        lines += terms([(bold(word), help) for word, help in grammar.below.items()])
    lines += [".SH OPTIONS", *terms(optionTerms([word for word in grammar.options if not word.attached and not plusWord(grammar, word)]))]
    if grammar.path == "txdns query":
        lines += [".SS Options for the query, its transport and the output", "Those that have no value are turned off by"]
        lines += [f"{bold('no')} before the name, as in {bold('+nocomments')}; (on) marks those that are on."]
        lines += terms(optionTerms([word for word in grammar.options if plusWord(grammar, word)]))
    if codes:
        lines += [".SH EXIT STATUS", escaped(codes[0].upper() + codes[1:])]
    used = [(bold(name), text) for name, (pattern, text) in _VARIABLES.items() if re.search(pattern, grammar.text)]
    lines += [".SH ENVIRONMENT", *terms(used)]
    lines += [".SH EXAMPLES", *examples[1:]] if examples else []
    others = [("txdns", 1)] if grammar.path != "txdns" else [(f"txdns-{command.word}", 1) for command in COMMANDS]
    others += [(f"{name}-{word}", 1) for word in grammar.below] if grammar.path in _GROUPS[1:] else []
    return "\n".join([*lines, *seeAlso([*others, ("twistd-txdns", 8)]), ""])


def plusWord(grammar: Grammar, word: Word) -> bool:
    return grammar.path == "txdns query" and word.name.startswith("+")


def settingText(setting: Setting, *, key: bool) -> str:
    """
    Return the description of a setting.

    @param key: whether it is a key of the file, not an option.
    """
    text = f"{setting.help}."
    if setting.kind is not FLAG and setting.kind is not COUNT:
        text += f" Takes {setting.kind.allowed}."
    if setting.many:
        text += " A list." if key else " May be given several times."
    if not setting.many and setting.default not in ("", False):
        text += f" Default: {shown(setting.default) if key else 'yes' if setting.default is True else setting.default}."
    return text if setting.live else f"{text} A change takes a restart."


def optionTerm(setting: Setting) -> str:
    names = [bold(f"--{setting.name}")]
    names = [bold(f"-{setting.short}"), *names] if setting.short else names
    if setting.kind is FLAG:
        return ", ".join([*names, bold(f"--no-{setting.name}")])
    return ", ".join(names) + ("" if setting.kind is COUNT else f" {italic('VALUE')}")


def serverPage() -> str:
    """
    Return C{twistd-txdns(8)}.
    """
    roles = {grammar.path.rpartition(" ")[2]: grammar.summary for grammar in twistdGrammars() if grammar.path.count(" ") == 2}
    lines = [*heading("twistd-txdns", 8, "a DNS server: forwarder, recursive resolver, authority"), ".SH SYNOPSIS"]
    lines += [f"{bold('twistd')} [{italic('options of twistd')}] {bold('txdns')} [{' | '.join(map(bold, roles))}] [{italic('options')}]"]
    lines += [".SH DESCRIPTION", escaped(" ".join(INTRODUCTIONS[""])), *terms([(bold(name), f"{help}.") for name, help in roles.items()])]
    lines += [".PP", "Every option is a key of the settings file as well, see"]
    lines += [".BR txdns.toml (5).", "Options given on the command line override the file.", ".SH OPTIONS"]
    own = [("config", "FILE"), ("show_config", ""), ("show_path", ""), ("version", "")]
    lines += terms([(f"{bold('--' + name.replace('_', '-'))} {italic(value)}".strip(), described(name)) for name, value in own])
    group = ""
    for setting in allSettings(plugins=False):
        if setting.group != group:
            group = setting.group
            lines.append(f".SS {escaped(group)}")
        lines += terms([(optionTerm(setting), settingText(setting, key=False))])
        if setting.name == "zones":
            lines += terms([(f"{bold('--' + name)} {italic('VALUE')}", described(name)) for name in LIKE_TWISTD])
    status = [("0", "the server was stopped"), ("1", "a failure, such as a port in use"), ("78", "an option or a setting cannot be used")]
    lines += [".SH EXIT STATUS", *terms([(bold(code), text) for code, text in status])]
    signals = [("SIGHUP", "reload the settings and the zones whose files have changed"), ("SIGTERM, SIGINT", "stop")]
    lines += [".SH SIGNALS", *terms([(bold(name), text) for name, text in signals]), ".SH EXAMPLES"]
    lines += example([line for role in ("forward", "recurse", "serve") for line in EXAMPLES[role]])[1:]
    return "\n".join([*lines, *seeAlso([("txdns", 1), ("txdns-control", 1), ("txdns.toml", 5), ("twistd", 1)]), ""])


def described(name: str) -> str:
    return " ".join(str(getattr(Options, f"opt_{name}").__doc__).split())


def filePage() -> str:
    """
    Return C{txdns.toml(5)}.
    """
    lines = [*heading("txdns.toml", 5, "settings of the DNS server twistd txdns"), ".SH DESCRIPTION"]
    lines += [
        "The file that the option",
        f"{bold('--config')} of",
        ".BR twistd\\-txdns (8)",
        "names, in TOML. Each setting is a key; a list with one element may be written without brackets. Paths are relative to the",
        "folder of the file. The file is read again at SIGHUP and by",
        f"{bold('txdns control reload')}; if it has errors, they are logged, and the old settings stay in force.",
        f"{bold('twistd txdns --config FILE --show-config')} checks the file, and prints all settings.",
        ".SH SETTINGS",
    ]
    group = ""
    for setting in allSettings(plugins=False):
        if setting.group != group:
            group = setting.group
            lines.append(f".SS {escaped(group)}")
        lines += terms([(bold(setting.name), settingText(setting, key=True))])
    lines += [".SH ZONES", f"Each {bold('[[zone]]')} table is a zone, with these keys:"]
    lines += terms([(bold(setting.name), settingText(setting, key=True)) for setting in ZONE_SETTINGS])
    sample = (Path(__file__).parent.parent / "contrib" / "systemd" / "txdns.toml").read_text("utf-8")
    lines += [".SH EXAMPLES", *example([f"  {line}" for line in sample.strip().split("\n")])[1:]]
    return "\n".join([*lines, *seeAlso([("twistd-txdns", 8), ("txdns-control", 1)]), ""])


def pages() -> Iterator[tuple[str, str]]:
    """
    Yield the path of each manual page, below the folder C{man}, and its text.
    """
    for grammar in commandGrammars():
        if grammar.text:
            yield f"man1/{grammar.path.replace(' ', '-')}.1", commandPage(grammar)
    yield "man5/txdns.toml.5", filePage()
    yield "man8/twistd-txdns.8", serverPage()


def completions() -> Iterator[tuple[str, str]]:
    """
    Yield the path of each file of completion and its text.
    """
    for shell in SHELLS:
        for program in PROGRAMS:
            yield COMPLETIONS[shell].format(program), completionScript(shell, program)


def write(folder: Path) -> None:
    for path, text in (*[(f"man/{path}", text) for path, text in pages()], *completions()):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
