"""
Builds the text of C{twistd txdns --help}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from twisted_ext.server.config.types import COUNT, FLAG
from twisted_ext.server.settings.plugged import allSettings
from twisted_ext.server.settings.startup import programName

if TYPE_CHECKING:
    from twisted_ext.server.config.setting import Setting

__all__ = ["EXAMPLES", "INTRODUCTIONS", "LIKE_TWISTD", "settingsFor", "usageOf"]

#: Options of tap that stand for a setting.
LIKE_TWISTD: Final = ("bindzone", "secondary")

INTRODUCTIONS: Final = {
    "": (
        "A DNS server. Sub-commands: forward (the default) answers from zones, from a cache, from local records and a hosts file, and asks",
        "other servers; recurse does the same without other resolvers, and validates answers; serve answers from its zones alone; robot is",
        "the information robot for IRC networks. Each has its own --help.",
    ),
    "forward": (
        "A DNS server that answers from its zones if it has some, from a cache, local records and a hosts file, and asks other servers.",
    ),
    "recurse": (
        "A validating DNS resolver: it answers from its zones if it has some, from a cache, local records and a hosts file, and resolves",
        "other names from the root of the DNS. Bogus answers become SERVFAIL with the reason; secure ones have the AD bit.",
    ),
    "serve": (
        "An authoritative DNS server: it answers all clients from its zones, and refuses other names.",
        "Separate processes compile master files to images, which are kept in the --state folder for the next start. Changed files are",
        "loaded while the server answers; a file with errors changes nothing, and the errors are logged with their lines.",
    ),
}

#: The most common examples first.
_FORWARDING: Final = (
    '  twistd -n txdns --interface 127.0.0.1 --port 5300 --local "router.lan A 192.168.1.1"',
    "  twistd -n txdns --upstream 192.0.2.53 --route corp.example=10.0.0.53 --http 127.0.0.1",
    "  twistd txdns --config /etc/txdns.toml; txdns control status",
)

_SERVE: Final = (
    "  twistd -n txdns serve --port 5300 --zone example.org=/etc/zones/example.org",
    "  twistd txdns serve --state /var/lib/txdns --zones /etc/zones --workers 4",
    "  txdns control zones; txdns control zone reload example.org",
)

_RECURSE: Final = (
    "  twistd -n txdns recurse --interface 127.0.0.1 --port 5300",
    "  twistd txdns recurse --stub corp.example=10.0.0.53 --negative-trust-anchor broken.example=+1d",
    "  txdns control anchors; txdns control delegations; txdns control nta add broken.example=+1d",
)

EXAMPLES: Final = {
    "": (*_FORWARDING[:2], _RECURSE[0], _SERVE[0], _FORWARDING[2]),
    "forward": _FORWARDING,
    "recurse": _RECURSE,
    "serve": _SERVE,
}

#: How examples start a server, where it is the sub-command of twistd.
_OF_TWISTD: Final = re.compile(r"twistd (?:-n )?txdns(?: (?:recurse|serve))?")

_FOREGROUND: Final = "-n keeps it in the foreground. "

_ENDING: Final = (
    f"{_FOREGROUND}Exit codes: 78 an option or a setting cannot be used; 1 another failure, such as a port in use.",
)


def settingsFor(role: str) -> Iterator[Setting]:
    """
    Yield the settings that have an effect with a sub-command, or all of them for C{""}.
    """
    for setting in allSettings():
        if not role or role in setting.roles:
            yield setting


def usageOf(role: str, options: type, own: Sequence[tuple[str, str]] = ()) -> str:
    """
    Return the options under the headings of their groups.

    @param role: C{"forward"}, C{"recurse"}, C{"serve"}, or C{""} for the options of all.
    @param options: has a method C{opt_x}, with a docstring, for each option C{x} that is not a setting.
    @param own: further options that a tap of another package has, with their descriptions.
    """

    def described(name: str) -> str:
        return " ".join(str(getattr(options, f"opt_{name}").__doc__).split())

    program = programName()
    keys = "setting" if own else "option"
    lines = [*INTRODUCTIONS[role], f"Every {keys} is a key of the --config file as well."]
    rows: list[tuple[str, str]] = []
    group = "Settings"
    everything: list[tuple[str, list[tuple[str, str]]]] = [
        (
            group,
            [
                ("--config=", described("config")),
                ("--show-config", described("show_config")),
                ("--show-path", described("show_path")),
                ("--version", described("version")),
                ("--help", "Print this, and exit."),
            ],
        )
    ]
    if own:
        everything.insert(0, ("Options", [(option, " ".join(text.split()) or "No description.") for option, text in own]))
    for setting in settingsFor(role):
        if setting.group != group:
            group = setting.group
            rows = []
            everything.append((group, rows))
        plain = setting.kind is FLAG or setting.kind is COUNT
        short = f"-{setting.short}, " if setting.short else "    "
        negative = f" (--no-{setting.name})" if setting.kind is FLAG else ""
        several = " May be given several times." if setting.many else ""
        default = "" if setting.many or setting.default in ("", False) else f" [default: {setting.default}]"
        if setting.default is True:
            default = " [default: yes]"
        rows.append((f"{short}--{setting.name}{'' if plain else '='}", f"{setting.help}.{several}{default}{negative}"))
        if setting.name == "zones":
            rows += [(f"    --{name}=", described(name)) for name in LIKE_TWISTD]
    for heading, each in everything:
        lines += ["", f"{heading}:"]
        for option, text in each:
            wrapped = wrap(text, 92)
            lines.append(f"  {option if option.startswith('-') and option[2:3] == ',' else option:<26} {wrapped[0]}")
            lines += [f"{'':<29}{line}" for line in wrapped[1:]]
    examples: Sequence[str] = EXAMPLES[role]
    ending: Sequence[str] = _ENDING
    if not program.startswith("twistd"):
        examples = [_OF_TWISTD.sub(program, line) for line in examples]
        ending = [line.removeprefix(_FOREGROUND) for line in ending]
    return "\n".join([*lines, "", "For example:", *examples, "", *ending, ""])
