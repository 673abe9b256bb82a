"""
Evaluate NAPTR rules (RFC 3403) as used by S-NAPTR (RFC 3958), U-NAPTR (RFC 4848) and ENUM (RFC 6116) to locate a service.

This module sends no queries; L{twisted_ext.compat.lookups.services} follows the rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twisted_ext.discovery.limits import REWRITTEN_CHARACTERS
from twisted_ext.discovery.posixregex import BadPattern, Pattern, Work
from twisted_ext.errors import BadName, CallerFault
from twisted_ext.wire.names import ROOT, nameFromText

if TYPE_CHECKING:
    from twisted_ext.wire.rdata.types.service import NAPTR

__all__ = ["ADDRESSES", "FURTHER", "Rule", "SERVERS", "URIS", "nextName", "numberName", "rulesFrom", "substituted"]

#: Flags of rules: leads to more rules, to SRV records, to addresses, to a URI.
FURTHER: Final = ""
SERVERS: Final = "s"
ADDRESSES: Final = "a"
URIS: Final = "u"

_FLAGS: Final = (FURTHER, SERVERS, ADDRESSES, URIS)

#: Characters that cannot delimit an expression (RFC 3402, section 3.2): digits, the flag and the backslash have meanings of their own.
_NO_DELIMITER: Final = frozenset("0123456789iI\\")


@dataclass(slots=True, eq=False)
class Rule:
    """
    A usable rule. Treated as immutable.

    @ivar order: rules with a higher order apply only if none with a lower order is for the service.
    @ivar preference: among rules of the same order, lower ones are tried first.
    @ivar flag: L{FURTHER}, L{SERVERS}, L{ADDRESSES} or L{URIS}.
    @ivar expression: the substitution that gives the next name or the URI; empty if C{replacement} gives it.
    @ivar replacement: the next name, in wire form; the root if C{expression} gives it.
    """

    order: int
    preference: int
    flag: str
    services: str
    expression: str
    replacement: bytes

    def protocolFor(self, service: str, protocols: Sequence[str]) -> str | None:
        """
        Match C{services} in the form of S-NAPTR: C{service:protocol:protocol} (RFC 3958, section 6.5).

        @param protocols: the caller's protocols, most preferred first; empty for any.

        @return: the first of C{protocols} that the rule supports, or, if C{protocols} is empty, the rule's first protocol; L{None} if the
            rule is for another service, or for other protocols only.
        """
        about, _, rest = self.services.partition(":")
        if about.lower() != service.lower():
            return None
        named = rest.split(":") if rest else []
        if not protocols:
            return named[0] if named else ""
        folded = [each.lower() for each in named]
        return next((each for each in protocols if each.lower() in folded), None)

    def isAbout(self, service: str) -> bool:
        """
        Match C{services} in the form of U-NAPTR and ENUM, in which C{E2U+sip} is one of the services of C{E2U+pres+sip:sips} (RFC 6116,
        section 3.4.3).

        A rule that leads to more rules may have no service, and matches any.
        """
        if self.flag == FURTHER and not self.services:
            return True
        named = self.services.lower().split("+")
        # An Enumservice may have a subtype, which is ignored unless the caller names it.
        named += [each.partition(":")[0] for each in named] if len(named) > 1 else []
        return self.services.lower() == service.lower() or all(each in named for each in service.lower().split("+"))


def rulesFrom(records: Iterable[NAPTR]) -> list[Rule]:
    """
    Return the usable rules in the order in which to follow them. Left out are rules with unknown flags, with both or neither of expression
    and replacement (RFC 3403, section 4.1), and those that lead to a URI without an expression.
    """
    rules: list[Rule] = []
    for record in records:
        try:
            flag, services, expression = [each.decode("utf-8") for each in (record.flags, record.services, record.regexp)]
        except UnicodeDecodeError:
            continue
        flag = flag.lower()
        if flag in _FLAGS and (expression != "") == (record.replacement == ROOT) and (expression or flag != URIS):
            rules.append(Rule(record.order, record.preference, flag, services, expression, record.replacement))
    rules.sort(key=lambda rule: (rule.order, rule.preference))
    return rules


def substituted(expression: str, text: str, work: Work | None = None) -> str | None:
    """
    Apply a substitution (RFC 3402, section 3.2): C{!pattern!replacement!}, with C{\\1} to C{\\9} for the pattern's groups.

    @param work: the steps that remain; L{None} for the default number.

    @return: the replacement with its groups filled in; L{None} if the pattern does not match.

    @raise BadPattern: the expression is not a substitution, takes too many steps, or its result is too long.
    """
    pattern, replacement, folded = _partsOf(expression)
    compiled = Pattern(pattern, folded, work)
    groups = compiled.match(text)
    if groups is None:
        return None

    def meantBy(escaped: re.Match[str]) -> str:
        character = escaped[1]
        if character not in "123456789":
            return character
        if int(character) > compiled.groups:
            raise BadPattern(f"the substitution {expression!r:.80}: it has no group {character}")
        return groups[int(character)]

    found = re.sub(r"\\(.)", meantBy, replacement, flags=re.DOTALL)
    if len(found) > REWRITTEN_CHARACTERS.default:
        raise BadPattern(f"the substitution {expression!r:.80}: it gives too long a text")
    return found


def _partsOf(expression: str) -> tuple[str, str, bool]:
    """
    Return pattern, replacement, and whether to ignore case.
    """
    delimiter = expression[:1]
    if not delimiter or delimiter in _NO_DELIMITER:
        raise BadPattern(f"the substitution {expression!r:.80}: it does not begin with a delimiter")
    parts = [""]
    escaped = False
    for character in expression[1:]:
        if escaped:
            # An escaped delimiter that is not a letter may be special in the pattern, and stays escaped.
            parts[-1] += character if character == delimiter and character.isalnum() else f"\\{character}"
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == delimiter:
            parts.append("")
        else:
            parts[-1] += character
    if escaped or len(parts) != 3 or parts[2] not in ("", "i") or not parts[0]:
        raise BadPattern(f"the substitution {expression!r:.80}: it is not of the form !pattern!replacement!")
    return parts[0], parts[1], parts[2] == "i"


def nextName(rule: Rule, text: str, work: Work) -> bytes | None:
    """
    Return the name that the rule leads to; L{None} if its expression does not match C{text}.

    @raise BadPattern: the expression is not valid, or its result is not a name.
    """
    if not rule.expression:
        return rule.replacement
    name = substituted(rule.expression, text, work)
    if name is None:
        return None
    try:
        return nameFromText(name.encode("ascii"))
    except (BadName, UnicodeEncodeError):
        raise BadPattern(f"the substitution {rule.expression!r:.80}: {name!r:.80} is not a valid name") from None


def numberName(number: str, suffix: str = "e164.arpa") -> tuple[str, str]:
    """
    Convert a phone number to the name of its rules (RFC 6116, section 3.2).

    @param number: with its country code, such as C{"+44 20 7946 0148"}; blanks, hyphens, dots and parentheses are ignored.

    @return: the name, and the number to which the rules are applied: C{+} and digits.

    @raise CallerFault: this is not a phone number with a country code.
    """
    if not isinstance(number, str):
        raise CallerFault(f"{number!r} is not a valid phone number; write it as text, with a '+' and the country code first")
    digits = number.translate({ord(each): None for each in " -.()\N{NO-BREAK SPACE}"})
    if not (digits[:1] == "+" and digits[1:].isdigit() and digits.isascii() and len(digits) <= 16):
        raise CallerFault(f"{number!r} is not a valid phone number; write up to 15 digits behind a '+', country code first")
    return f"{'.'.join(reversed(digits[1:]))}.{suffix}", digits
