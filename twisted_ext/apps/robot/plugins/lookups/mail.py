"""
The set-up of a domain's mail.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.answers import Answer, Security
from twisted_ext.apps.robot.plugin import Call, CommandError, command
from twisted_ext.apps.robot.plugins.lookups.authorities import (
    DomainName,
    LookingPlugin,
    recordsIn,
    requireName,
    settled,
    shown,
)
from twisted_ext.apps.robot.text import Line, Said, Span, bad, bold, good, line, warning
from twisted_ext.errors import DNSFault
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT, labelCount, nameFromText, parentOf
from twisted_ext.wire.rdata.fieldtypes import joinedStrings
from twisted_ext.wire.rrtypes import AAAA, CNAME, MX, TLSA, TXT, A

__all__ = ["Mail"]

#: Hosts of a domain that are examined.
_MOST_HOSTS: Final = 8

#: Look-ups that the evaluation of an SPF record may cause (RFC 7208, section 4.6.4).
_SPF_LOOKUPS: Final = 10

#: Terms of an SPF record that cause one.
_SPF_TERMS: Final = ("include", "a", "mx", "ptr", "exists", "redirect")

#: Names on which a DMARC record is looked for, from the domain up.
_DMARC_NAMES: Final = 8

_SPF_ENDS: Final = {
    "-": good("others fail"),
    "~": good("others fail softly"),
    "?": warning("others are neutral"),
    "+": bad("anyone may send"),
}

_POLICIES: Final = {"none": warning, "quarantine": good, "reject": good}


class Mail(LookingPlugin):
    """
    The set-up of a domain's mail.
    """

    @command(seconds=30.0)
    async def mx(self, call: Call, name: DomainName) -> Said:
        """
        Show how a domain gets mail and protects it: MX, SPF, DMARC, MTA-STS and DANE.
        """
        question = Question(name, MX)
        answer = await self.look(question)
        requireName(question, answer)
        pairs = sorted({(int.from_bytes(rdata[:2], "big"), rdata[2:].lower()) for rdata in recordsIn(answer, MX)})
        hosts = [host for _, host in pairs[:_MOST_HOSTS] if host != ROOT] or [bytes(name)]
        parts = {
            "MX": self._hosts(name, pairs),
            "SPF": self._spf(name),
            "DMARC": self._dmarc(name),
            "MTA-STS": self._mtaSTS(name),
            "DANE": self._dane(hosts, answer.security),
        }
        said = [line(bad(shown(part))) if isinstance(part, Exception) else part for part in await settled(parts.values())]
        return [line(bold(f"{title}: "), *part) for title, part in zip(parts, said, strict=True)]

    async def _hosts(self, name: bytes, pairs: list[tuple[int, bytes]]) -> Line:
        if not pairs:
            if await self._addressTypes(name) & {A, AAAA}:
                return line(warning(f"none: mail goes to the addresses of {shown(name)}"))
            return line(warning(f"none, and {shown(name)} has no address: it gets no mail"))
        if [host for _, host in pairs] == [ROOT]:
            return line("the domain accepts no mail (RFC 7505)")
        parts: list[str | Span] = []
        for preference, host in pairs[:_MOST_HOSTS]:
            parts += [", " if parts else "", f"{preference} {shown(host)}"]
            try:
                types = await self._addressTypes(host)
                if CNAME in types:
                    parts.append(bad(" (an alias, which is not allowed: RFC 2181, section 10.3)"))
                elif not types:
                    parts.append(bad(" (no address)"))
            except DNSFault as fault:
                parts.append(bad(f" ({shown(fault)})"))
        return line(*parts, f" and {len(pairs) - _MOST_HOSTS} more" if len(pairs) > _MOST_HOSTS else "")

    async def _addressTypes(self, host: bytes) -> set[int]:
        """
        Return the types of the records that look-ups of a host's addresses find: A, AAAA and CNAME.

        @raise DNSFault: no address was found, and a look-up failed.
        """
        answers = await self.lookAll([Question(host, A), Question(host, AAAA)])
        found = {rrset.rrType for answer in answers if isinstance(answer, Answer) for rrset in answer.answer}
        for answer in answers:
            if isinstance(answer, Exception) and not found & {A, AAAA}:
                raise answer
        return found & {A, AAAA, CNAME}

    async def _texts(self, name: bytes, version: str) -> list[str]:
        """
        Return the TXT records that begin with a version.
        """
        answer = await self.look(Question(name, TXT))
        texts = [joinedStrings(rdata).decode("ascii", "backslashreplace") for rdata in recordsIn(answer, TXT)]
        return [text for text in texts if text.lower().partition(" ")[0].partition(";")[0] == version]

    async def _spf(self, name: bytes) -> Line:
        records = await self._texts(name, "v=spf1")
        if not records:
            return line(warning("none: anyone may send as this domain"))
        if len(records) > 1:
            return line(bad(f"{len(records)} records, of which there may be only one (RFC 7208, section 3.2)"))
        head = f"{shown(records[0])}; "
        count = await self._spfLookUps(records[0])
        if count > _SPF_LOOKUPS:
            return line(head, bad(f"more than {_SPF_LOOKUPS} look-ups, so it is not valid (RFC 7208, section 4.6.4)"))
        last = [term.lower() for term in records[0].split() if term.lower().lstrip("+-~?") == "all"]
        if last:
            end = _SPF_ENDS.get(last[0][0], _SPF_ENDS["+"])
        else:
            end = Span("redirected") if "redirect=" in records[0].lower() else warning("no all at its end")
        return line(head, f"{count} of {_SPF_LOOKUPS} look-ups, ", end)

    async def _spfLookUps(self, record: str) -> int:
        """
        Count the terms that cause look-ups, in included records too.
        """
        count = 0
        waiting = [record]
        while waiting and count <= _SPF_LOOKUPS:
            for term in waiting.pop().split()[1:]:
                word, _, value = term.lstrip("+-~?").replace("=", ":").partition(":")
                word = word.partition("/")[0].lower()
                count += word in _SPF_TERMS
                # Macros depend on the message.
                if word in ("include", "redirect") and "%" not in value and count <= _SPF_LOOKUPS:
                    included = await self._texts(nameFromText(value), "v=spf1")
                    if not included:
                        raise CommandError(f"{shown(value)} is included and has no SPF record (RFC 7208, section 5.2)")
                    waiting += included[:1]
        return count

    async def _dmarc(self, name: bytes) -> Line:
        owner = name
        while labelCount(owner) > max(1, labelCount(name) - _DMARC_NAMES):
            records = await self._texts(nameFromText("_dmarc", owner), "v=dmarc1")
            if len(records) > 1:
                return line(bad(f"{len(records)} records at _dmarc.{shown(owner)}, of which there may be only one"))
            if records:
                tags = _tags(records[0])
                policy = tags.get("p", "") if owner == name else tags.get("sp", tags.get("p", ""))
                where = "" if owner == name else f" (from {shown(owner)})"
                reports = f", reports to {shown(tags['rua'])}" if tags.get("rua") else ", no reports"
                return line("policy ", _POLICIES.get(policy.lower(), bad)(shown(policy) or "missing"), where, reports)
            owner = parentOf(owner)
        return line(warning("none: receivers do what they like with forged mail"))

    async def _mtaSTS(self, name: bytes) -> Line:
        records = await self._texts(nameFromText("_mta-sts", name), "v=stsv1")
        if len(records) != 1:
            return line(warning("none") if not records else bad(f"{len(records)} records, of which there may be only one"))
        host = nameFromText("mta-sts", name)
        has = await self._addressTypes(host) & {A, AAAA}
        where = f"the policy is at https://{shown(host)}/.well-known/mta-sts.txt"
        missing = bad(f"but {shown(host)}, which should have the policy, has no address")
        return line(f"id {shown(_tags(records[0]).get('id', 'missing'))}; ", where if has else missing)

    async def _dane(self, hosts: list[bytes], security: Security) -> Line:
        questions = [Question(nameFromText("_25._tcp", host), TLSA) for host in hosts]
        having = secure = 0
        for question, answer in zip(questions, await self.lookAll(questions), strict=True):
            if isinstance(answer, Exception):
                # Senders that use DANE wait until that is known (RFC 7672, section 2.1.2).
                return line(bad(shown(answer)))
            if recordsIn(answer, TLSA):
                having += 1
                secure += await self.isSecure(question, answer)
        if not having:
            return line(warning("none: no host has TLSA records"))
        said = f"{having} of {len(hosts)} hosts have TLSA records"
        if secure < having:
            return line(said, ", ", bad(f"{having - secure} of them not secure, so they do not count (RFC 7672)"))
        if security is Security.INSECURE:
            return line(said, ", ", warning("but the MX records are not secure, so senders may be led elsewhere"))
        return line(good(said) if having == len(hosts) else warning(said), ", secure")


def _tags(record: str) -> dict[str, str]:
    """
    Return the tags of a record such as C{v=DMARC1; p=none}.
    """
    pairs = [tag.partition("=") for tag in record.split(";")]
    return {key.strip().lower(): value.strip() for key, _, value in pairs}
