"""
C{txdns policy zone}: tells what response policy zones say.
"""

from __future__ import annotations

from collections import Counter
from json import dumps
from typing import Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, Option, flag
from twisted_ext.apps.cli.terminal.exits import DECLINED, OK, USAGE, ExitError, fileErrors

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns policy zone ZONE=FILE... [NAME|ADDRESS]... [--client ADDRESS] [--json]

Reads response policy zones (RPZ) from master files, and reports how many rules they have, what
these are about and what they do, and which cannot be used. With names or addresses, tells which
rule decides about each: that of the first zone that has one, for the longest name or prefix.

  txdns policy zone rpz.example=feed.zone
  txdns policy zone own=own.zone rpz.example=feed.zone www.bad.example 192.0.2.1

{options}

An address is looked up as one in an answer. Exit codes: 0 all rules can be used, 1 wrong usage,
2 some cannot, 8 a file cannot be read.
"""

_CLIENT: Final = Option("--client ADDRESS", "the address of the client that asks", "", str, what="an address")
_JSON: Final = flag("--json", "one object: zones (name, rules, actions, wrong, said), and verdicts (asked, zone, rule, action)")

ARGUMENTS: Final = Arguments(_HELP, _CLIENT, _JSON)

#: What rules are about, by the numbers of triggers, and how that is shown.
_SHOWN: Final = {
    "client": "clients", "name": "names", "address": "addresses", "server-name": "names of servers",
    "server-address": "addresses of servers",
}  # fmt: skip
_TRIGGERS: Final = tuple(_SHOWN)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    zones = [each.partition("=")[::2] for each in given.bare if "=" in each]
    asked = [each for each in given.bare if "=" not in each]
    if not zones:
        raise ExitError(USAGE, "a zone is missing; write txdns policy zone rpz.example=feed.zone")

    from ipaddress import ip_address

    from twisted_ext.errors import BadDescription, BadName
    from twisted_ext.files import openNow
    from twisted_ext.resolver.policy.rules.table import PolicyTable
    from twisted_ext.resolver.policy.zones.compiler import complaintsIn
    from twisted_ext.resolver.policy.zones.reading import FILE_TTL, RulesOfZone
    from twisted_ext.resolver.policy.zones.rules import ADDRESS, PolicyZones, PolicyZonesBuilder, ZoneRule
    from twisted_ext.resolver.policy.zones.verdict import Hit, Selection
    from twisted_ext.wire.escapes import printable
    from twisted_ext.wire.names import nameFromText
    from twisted_ext.zone.zonefile.reader import readMaster

    try:
        client = ip_address(given[_CLIENT]).packed if given[_CLIENT] else b""
        apexes = [nameFromText(name) for name, _ in zones]
    except (ValueError, BadName) as error:
        raise ExitError(USAGE, str(error)) from None

    builder = PolicyZonesBuilder()
    shown: list[dict[str, object]] = []
    for (name, path), apex in zip(zones, apexes, strict=True):
        with fileErrors(path), open(path, "rb", opener=openNow):
            content = readMaster(path, apex, ttl=FILE_TTL)
        rules = RulesOfZone(content.records(), apex.lower())
        kinds: Counter[str] = Counter()
        triggers: Counter[str] = Counter()

        def counted(rule: ZoneRule, kinds: Counter[str] = kinds, triggers: Counter[str] = triggers) -> ZoneRule:
            kinds[rule.action.kind] += 1
            triggers[_TRIGGERS[rule.trigger]] += 1
            return rule

        try:
            known = builder.add(f"zone:{name}", map(counted, rules))
        except BadDescription as error:
            raise ExitError(USAGE, str(error)) from None
        wrong, said = complaintsIn(content, rules)
        shown.append(
            {"name": name, "rules": known.names, "triggers": dict(triggers), "actions": dict(kinds), "wrong": wrong, "said": said}
        )
    table = PolicyZones(PolicyTable(b"".join(builder.pack())))
    selection = Selection(table, range(len(zones)))

    def decide(text: str) -> tuple[str, str, str] | None:
        try:
            packed = ip_address(text).packed
        except ValueError:
            hit: Hit | None = selection.before(nameFromText(text), selection.ofClient(client) if client else ())
            return None if hit is None else (zones[hit.zone][0], hit.owner, hit.action.kind)
        found = table.forAddress(packed, ADDRESS)
        if not found:
            return None
        zone = min(found)
        rule = Hit(zone, ADDRESS, 0, b"", found[zone], table.action(found[zone]))
        return zones[zone][0], rule.owner, rule.action.kind

    try:
        verdicts = [(text, decide(text)) for text in asked]
    except BadName as error:
        raise ExitError(USAGE, str(error)) from None
    if given[_JSON]:
        rows = [
            {"asked": text, **dict(zip(("zone", "rule", "action"), verdict or (None, None, None), strict=True))}
            for text, verdict in verdicts
        ]
        print(dumps({"zones": shown, "verdicts": rows}))
    else:
        for each in shown:
            _show(each)
        for text, verdict in verdicts:
            if verdict is None:
                print(printable(f"{text}: no rule is about it"))
            else:
                zone, rule, action = verdict
                print(printable(f"{text}: {action}, by {rule} in {zone}"))
    return DECLINED if any(each["wrong"] for each in shown) else OK


def _show(zone: dict[str, object]) -> None:
    from twisted_ext.wire.escapes import printable

    rules, wrong, said = zone["rules"], zone["wrong"], zone["said"]
    triggers, actions = zone["triggers"], zone["actions"]
    assert isinstance(rules, int)
    assert isinstance(wrong, int)
    assert isinstance(said, list)
    assert isinstance(triggers, dict)
    assert isinstance(actions, dict)
    about = ", ".join([f"{count:,} about {_SHOWN[trigger]}" for trigger, count in triggers.items()])
    done = ", ".join([f"{kind} {count:,}" for kind, count in actions.items()])
    unused = f"; {wrong:,} that cannot be used" if wrong else ""
    print(printable(f"{zone['name']}: {rules:,} rule{'s'[: rules != 1]}{f': {about}; {done}' if rules else ''}{unused}"))
    for text in said:
        print(printable(f"  {text}"))
    if more := wrong - len(said):
        print(f"  and {more:,} more")
