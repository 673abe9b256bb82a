"""
What is wrong in a zone or its master file: findings, and their levels.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import typeName
from twisted_ext.zone.limits import FINDINGS_KEPT

__all__ = ["CHECKS", "FATAL", "WARNING", "Finding", "Report"]

#: The zone cannot be served.
FATAL: Final = "fatal"

#: The zone can be served, but clients may miss something.
WARNING: Final = "warning"

#: All checks: the level of their findings, and what would be right.
CHECKS: Final = {
    "syntax": (FATAL, "every line of a master file can be read"),
    "soa": (FATAL, "the apex has exactly one SOA record, and no other name has any"),
    "ns": (WARNING, "the apex has NS records"),
    "cname-several": (FATAL, "a name has one CNAME record at most (RFC 2181, section 10.1)"),
    "cname-others": (FATAL, "a name with a CNAME record has no others but those of DNSSEC (RFC 2181, section 10.1)"),
    "dname-several": (FATAL, "a name has one DNAME record at most (RFC 6672, section 2.4)"),
    "dname-ns": (WARNING, "a delegation has no DNAME record (RFC 6672, section 2.4)"),
    "dname-below": (WARNING, "nothing is below a DNAME record: it would not be found (RFC 6672, section 2.4)"),
    "occluded": (WARNING, "below a delegation there are addresses of its servers only: nothing else is found"),
    "glue-missing": (WARNING, "a server inside the delegated zone has its addresses here (RFC 1034, section 4.2.1)"),
    "glue-extra": (WARNING, "addresses below a delegation are those of servers of this zone's delegations"),
    "target-missing": (WARNING, "a host that NS, MX or SRV records name is there, and has an address"),
    "target-alias": (WARNING, "a host that NS, MX or SRV records name is not an alias (RFC 2181, section 10.3; RFC 2782)"),
    "target-address": (WARNING, "NS, MX and SRV records name hosts, not addresses (RFC 1035, section 3.3)"),
    "cname-dangling": (WARNING, "an alias leads to a name that exists"),
    "cname-loop": (WARNING, "aliases end somewhere"),
    "ns-wildcard": (WARNING, "a wildcard has no NS records (RFC 4592, section 4.2)"),
    "ttl-mixed": (WARNING, "records of one name and type have one TTL (RFC 2181, section 5.2)"),
    "repeated": (WARNING, "no record stands there twice (RFC 2181, section 5)"),
    "outside": (WARNING, "all names are in the zone"),
    "reading": (WARNING, "every line says what its writer meant"),
    "rdata": (WARNING, "every record has the form of its type"),
    "soa-values": (WARNING, "secondaries ask again within sensible times (RFC 1912, section 2.2), and the contact is a valid mailbox"),
    "ds-apex": (FATAL, "the apex has no DS and DELEG records (RFC 4035, section 2.4)"),
    "ds-values": (WARNING, "DS records have no digests by SHA-1 (RFC 8624, section 3.3)"),
    "ds-place": (WARNING, "DS records stand at delegations only (RFC 4035, section 2.4)"),
    "cds-values": (WARNING, "CDS and CDNSKEY records stand at the apex and announce the same of its keys (RFC 7344, section 4)"),
    "svcb-dns": (WARNING, "SVCB records of resolvers say how these are asked (RFC 9461, sections 4 and 5)"),
    "dnskey-place": (WARNING, "DNSKEY records stand at the apex only (RFC 4035, section 2.1)"),
    "dnskey-missing": (WARNING, "a signed zone has its keys at the apex (RFC 4035, section 2.1)"),
    "dnskey-values": (WARNING, "keys are for zones, of protocol 3, of an algorithm in use, each of its own tag (RFC 4034, section 2.1)"),
    "rrsig-missing": (WARNING, "everything that the zone has authority for is signed (RFC 4035, section 2.2)"),
    "rrsig-extra": (WARNING, "nothing else is signed (RFC 4035, section 2.2)"),
    "rrsig-expired": (WARNING, "signatures have not ended"),
    "rrsig-early": (WARNING, "signatures have begun"),
    "rrsig-ending": (WARNING, "signatures do not end within days"),
    "rrsig-values": (WARNING, "signatures are of one of the zone's keys and say what they sign (RFC 4034, section 3.1)"),
    "rrsig-wrong": (WARNING, "signatures verify with the zone's keys (RFC 4035, section 5.3)"),
    "nsec-missing": (WARNING, "every name is in the chain of NSEC or NSEC3 records (RFC 4035, section 2.3; RFC 5155, section 7.1)"),
    "nsec-chain": (WARNING, "each NSEC or NSEC3 record leads to the next one, and the last one back"),
    "nsec-types": (WARNING, "NSEC and NSEC3 records list the types that a name has"),
    "nsec-extra": (WARNING, "the chain has no names that do not exist"),
    "nsec3-values": (WARNING, "NSEC3 hashes are of SHA-1, without further iterations (RFC 9276, section 3.1)"),
    "zonemd": (WARNING, "the zone is what its ZONEMD record says (RFC 8976)"),
}


class Finding:
    """
    One error or warning.

    @ivar check: the key in L{CHECKS} of the check that found it.
    @ivar owner: the absolute name in the zone; C{b""} if the finding is about the file.
    @ivar rrType: the type of the records; 0 if it is not about one type.
    @ivar text: what is wrong and what would be right, without the owner.
    @ivar path: the file, if known.
    @ivar line: the line in it, the first being 1; 0 if unknown.
    @ivar column: the column in that, likewise.
    """

    # Not a dataclass: importing that module takes processes that compile zones as long as a hundred zones.
    __slots__ = ("check", "owner", "text", "rrType", "path", "line", "column")

    def __init__(
        self, check: str, owner: bytes, text: str, rrType: int = 0, *, path: str = "", line: int = 0, column: int = 0
    ) -> None:
        self.check = check
        self.owner = owner
        self.text = text
        self.rrType = rrType
        self.path = path
        self.line = line
        self.column = column

    @property
    def level(self) -> str:
        return CHECKS[self.check][0]

    @property
    def fatal(self) -> bool:
        return self.level == FATAL

    @property
    def place(self) -> str:
        """
        The file and the line, as compilers write them; empty if unknown.
        """
        return f"{self.path}:{self.line}" if self.line else self.path

    @property
    def subject(self) -> str:
        words = [nameToText(self.owner)] if self.owner else []
        return " ".join([*words, typeName(self.rrType)] if self.rrType else words)

    def toJSON(self) -> dict[str, object]:
        said: dict[str, object] = {"check": self.check, "level": self.level, "text": self.text}
        if self.owner:
            said["name"] = nameToText(self.owner)
        if self.rrType:
            said["type"] = typeName(self.rrType)
        if self.path:
            said["path"] = self.path
        if self.line:
            said["line"] = self.line
        return said

    @property
    def labelled(self) -> str:
        return ": ".join([each for each in (self.place, f"{self.level} [{self.check}]", self.subject, self.text) if each])

    def __str__(self) -> str:
        place = ":".join([self.path or "zone", *[str(number) for number in (self.line, self.column) if number]])
        return ": ".join([each for each in (place, "" if self.fatal else "warning", self.subject, self.text) if each])

    def __repr__(self) -> str:
        return f"<Finding {self}>"


class Report:
    """
    All findings of a check.

    @ivar findings: the findings in the order in which they were added, up to a limit for each check.
    @ivar fatal: the number of findings that prevent the zone from being served.
    @ivar warnings: the number of the other findings.
    """

    def __init__(self, findings: Iterable[Finding] = ()) -> None:
        self.findings: list[Finding] = []
        self.counts: dict[str, int] = {}
        self.fatal = self.warnings = 0
        for finding in findings:
            self.add(finding)

    def add(self, finding: Finding) -> None:
        count = self.counts[finding.check] = self.counts.get(finding.check, 0) + 1
        if finding.fatal:
            self.fatal += 1
        else:
            self.warnings += 1
        if count <= FINDINGS_KEPT.default:
            self.findings.append(finding)

    def say(self, check: str, owner: bytes, text: str, rrType: int = 0) -> None:
        self.add(Finding(check, owner, text, rrType))

    @property
    def omitted(self) -> dict[str, int]:
        """
        The number of findings over the limit, by check.
        """
        most = int(FINDINGS_KEPT.default)
        return {check: count - most for check, count in self.counts.items() if count > most}
