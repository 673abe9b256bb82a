"""
Server side of dynamic updates (RFC 2136): checks access, finds the zone, and replies.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.errors import BadChange, BadMessage, BadUpdate, BadZone, BudgetSpent, DNSFault, KeyFault, StorageFault
from twisted_ext.server.reply.opcodes import OpcodeHandler, Outcome, handlerKey
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.server.zones.table.zonetable import variantText
from twisted_ext.server.zones.update.commit import Edited
from twisted_ext.server.zones.update.editablezones import EditableZones
from twisted_ext.wire.codes import IN, Ede, Opcode, Rcode
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rrtypes import typeName
from twisted_ext.zone.update.transactions import Transaction
from twisted_ext.zone.update.updates import Update, perform

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.defer import Deferred

    from twisted_ext.server.config.transferpolicy import Terms
    from twisted_ext.server.zones.update.forwarding import UpdateForwarder
    from twisted_ext.zone.store.changeset import Difference

__all__ = ["UpdateHandler", "changesText"]

_log: Final = Logger(__name__)

#: Removed records, and added ones, that the log line of an update names; and the characters of the values of each.
_NAMED: Final = 3
_CHARACTERS: Final = 60


class UpdateHandler(EditableZones):
    """
    Handles UPDATE requests. Whether the client may change anything at all is checked before any expensive work.
    """

    _UNKNOWN: Final = Refusal(Rcode.NOTAUTH, ((Ede.NOT_AUTHORITATIVE, "no such zone here"),))
    _DENIED: Final = Refusal(Rcode.REFUSED, ((Ede.PROHIBITED, ""),))
    _FROZEN: Final = Refusal(Rcode.REFUSED, ((Ede.PROHIBITED, "the zone is frozen"),))
    _MALFORMED: Final = Refusal(Rcode.FORMERR)
    _UNPROVEN: Final = Refusal(Rcode.NOERROR, truncated=True)
    _DONE: Final = Refusal(Rcode.NOERROR)
    _ABSENT: Final = Refusal(Rcode.SERVFAIL, ((Ede.NOT_READY, "the zone is not loaded"),))
    _UNSIGNED: Final = Refusal(Rcode.SERVFAIL, ((Ede.OTHER, "the change cannot be signed"),))
    _UNKEPT: Final = Refusal(Rcode.SERVFAIL, ((Ede.OTHER, "the change cannot be stored"),))

    #: Returns what others may do with a zone.
    termsOf: Callable[[bytes], Terms | None] | None = None

    _forwarder: UpdateForwarder | None = None

    @property
    def handlers(self) -> dict[int, OpcodeHandler]:
        return {handlerKey(Opcode.UPDATE): self}

    def isHopeless(self, request: Request, signed: bool) -> bool:
        apex = request.question.name.lower()
        ward, terms = self._wards.get(apex), self._forwarding(apex)
        if terms is not None:
            return not signed and not terms.forwards.allows(request.client, b"", request.peer, request.door)
        return ward is None or not ward.policy.mayAdmit(request.client, signed)

    def __call__(self, request: Request) -> Outcome:
        question = request.question
        apex = question.name.lower()
        if question.rrClass != IN or self._zones.at(apex) is None:
            return self._UNKNOWN
        terms = self._forwarding(apex)
        if terms is not None:
            return self._forward(request, terms)
        ward = self._wards.get(apex)
        if ward is None:
            return self._DENIED
        policy, keyName = ward.policy, request.keyName
        if ward.grants and not ward.grants.allows(request.client, keyName, request.peer, request.door):
            return self._DENIED
        client = request.client if _isProven(request) else ""
        if not policy.admits(keyName, client):
            # Over TCP the client could prove its address.
            return self._UNPROVEN if not client and policy.admits(keyName, request.client) else self._DENIED
        if ward.isFrozen:
            return self._FROZEN
        try:
            changing = self._queueFor(ward, apex)
        except StorageFault as fault:
            _log.error("{fault}", fault=fault)
            return self._UNKEPT
        if changing is None:
            return self._ABSENT
        if request.message is None:
            request.readWhole()
        if request.message is None:
            return self._MALFORMED
        try:
            update = Update.fromMessage(request.message)
        except (BadUpdate, BadMessage) as fault:
            return _refusalOf(fault)

        def steps(transaction: Transaction) -> None:
            # It may be made again, and later than it came: the zone may have been frozen, and its rules changed, meanwhile.
            if ward.isFrozen:
                raise BadUpdate("the zone is frozen", rcode=Rcode.REFUSED)
            perform(update, transaction, ward.policy, keyName, client)

        return changing.change(steps).addCallbacks(self._cbChanged, self._ebChanged, (request,), {}, (request,))

    # -- of secondary zones

    def _forwarding(self, apex: bytes) -> Terms | None:
        """
        Return what others may do with a zone, if some clients may have updates passed on to its primaries.
        """
        terms = None if self.termsOf is None else self.termsOf(apex)
        return terms if terms is not None and terms.forwards else None

    def isForwarded(self, request: Request) -> bool:
        """
        See L{Forwarding<twisted_ext.server.reply.opcodes.Forwarding>}.
        """
        return self._forwarding(request.question.name.lower()) is not None

    def _forward(self, request: Request, terms: Terms) -> Outcome:
        if not terms.forwards.allows(request.client, request.keyName, request.peer, request.door):
            return self._DENIED
        if not request.keyName and not _isProven(request):
            # Over TCP the client proves its address.
            return self._UNPROVEN
        if self._forwarder is None:
            # Imported for servers that pass updates on only.
            from twisted_ext.server.zones.update.forwarding import UpdateForwarder

            self._forwarder = UpdateForwarder(self._clock, self._zones.view)
        return self._forwarder(request, terms.primaries)

    def close(self) -> Deferred[None]:
        """
        See L{EditableZones.close}.
        """
        if self._forwarder is not None:
            self._forwarder.close()
        return super().close()

    def _cbChanged(self, edited: Edited, request: Request) -> Refusal:
        difference = edited.difference
        _log.info(
            "{zone} {serial}: update by {client} {key}: {changes}",
            zone=variantText(edited.version.apex, self._zones.view),
            serial=edited.version.serial,
            client=request.client,
            key=nameToText(request.keyName) if request.keyName else "without a key",
            changes=changesText(difference) if difference is not None else "nothing to change",
        )
        return self._DONE

    def _ebChanged(self, failure: Failure, request: Request) -> Refusal:
        fault = failure.value
        if isinstance(fault, KeyFault):
            text = variantText(request.question.name, self._zones.view)
            _log.error("a change of {zone} cannot be signed: {fault}", zone=text, fault=fault)
            return self._UNSIGNED
        if isinstance(fault, StorageFault | BudgetSpent):
            return self._UNKEPT
        if isinstance(fault, DNSFault):
            return _refusalOf(fault)
        _log.failure("{request} could not be done", failure, request=request)
        return self._UNKEPT


def _refusalOf(fault: DNSFault) -> Refusal:
    rcode = Rcode.REFUSED if isinstance(fault, BadChange | BadZone) else fault.rcode
    return Refusal(rcode, ((Ede.PROHIBITED if rcode == Rcode.REFUSED else Ede.OTHER, fault.text),))


def changesText(difference: Difference) -> str:
    """
    Return what a change has removed and added, in one line. Of many records the first ones are named.
    """
    parts = []
    for word, rrsets in (("removed", difference.removed), ("added", difference.added)):
        count = sum([len(rrset.rdatas) for rrset in rrsets])
        named = [(rrset, rdata) for rrset in rrsets[:_NAMED] for rdata in rrset.rdatas[:_NAMED]][:_NAMED]
        texts = [f"{nameToText(rrset.name)} {typeName(rrset.rrType)} {_short(rrset.rrType, rdata)}" for rrset, rdata in named]
        if count > len(named):
            texts.append(f"{count - len(named)} more")
        if texts:
            parts.append(f"{word} {', '.join(texts)}")
    return "; ".join(parts) or "the SOA record"


def _short(rrType: int, rdata: bytes) -> str:
    text = rdataToText(rrType, rdata)
    return text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}…"


def _isProven(request: Request) -> bool:
    """
    Return whether the source address of a request is verified. That of a UDP datagram can be spoofed, except for loopback addresses.
    """
    if request.transport != "udp" or request.verified:
        return True
    try:
        return ip_address(request.client.partition("%")[0]).is_loopback
    except ValueError:
        return False
