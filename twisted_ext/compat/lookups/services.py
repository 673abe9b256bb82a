"""
Locate services by SRV, HTTPS and SVCB, MX, NAPTR, URI and TLSA records.

Each function fires with the targets in the order in which to try them, or with an empty list if the domain has no such records. It fails
with an exception of L{twisted_ext.compat.conversion.errors}:
L{ServiceNotAvailable<twisted_ext.compat.conversion.errors.ServiceNotAvailable>} if the domain declares that it has no such service,
L{UnusableService<twisted_ext.compat.conversion.errors.UnusableService>} if none of its records is usable, or that of the look-up that
failed. All of them can be cancelled.

Names are always absolute, with or without a final dot. No search list is applied: it is common for a domain to have no such records, and
those of another domain must not be used instead.

Common parameters:

  - C{resolver}: the resolver to use: one of this package, any of Twisted's, L{None} for the one of this process, or a description, from
    which a resolver is created for this call;
  - C{timeout}: see L{Timeout<twisted_ext.compat.conversion.timeouts.Timeout>}; for all the look-ups together;
  - C{rng}: the random number generator for choices among equal records, such as a L{random.Random}.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import TYPE_CHECKING, TypeVar

from twisted.internet.defer import Deferred

from twisted_ext.answers import Outcome, Question
from twisted_ext.compat.conversion.errors import LookupFailed, argumentError, errorFromAnswer
from twisted_ext.compat.conversion.timeouts import Timeout, secondsOf
from twisted_ext.compat.lookups.follow import Found, NAPTRWalk, ServiceLookups, about, chanceOf, literalHost, nameOf
from twisted_ext.discovery.limits import RECORD_DELAY, SERVICE_TARGETS
from twisted_ext.discovery.targets import BEHIND, Target, checkedPort, hostOf, protocolsIn
from twisted_ext.discovery.weights import ShufflingSource
from twisted_ext.errors import BadName, CallerFault, Closed, DNSFault, TrustFault
from twisted_ext.wire import rrtypes
from twisted_ext.wire.names import nameFromText, nameToText

if TYPE_CHECKING:
    from twisted_ext.wire.rdata.types.security import TLSA

__all__ = [
    "bindingTargets",
    "mailTargets",
    "numberURIs",
    "rewrittenTargets",
    "rewrittenURIs",
    "serverTargets",
    "tlsaOf",
    "urisOf",
]

_T = TypeVar("_T")


def _firing(
    find: Callable[[ServiceLookups], Coroutine[Deferred[object], object, _T]],
    resolver: object,
    timeout: Timeout,
    authenticData: bool = False,
) -> Deferred[_T]:
    async def run() -> _T:
        try:
            asking = ServiceLookups(resolver, timeout, authenticData)
            try:
                return await find(asking)
            finally:
                await asking.close()
        except DNSFault as fault:
            raise argumentError(fault) from fault

    return Deferred.fromCoroutine(run())


def serverTargets(
    owner: str | bytes, *, resolver: object = None, timeout: Timeout = None, rng: ShufflingSource | None = None
) -> Deferred[list[Target]]:
    """
    Find the servers of a service by its SRV records (RFC 2782).

    @param owner: service, protocol and domain, such as C{"_xmpp-client._tcp.example.org"}.

    @return: fires with the targets in the order in which to try them, drawn again by each call; an empty list if there are no such records.
    """

    async def find(asking: ServiceLookups) -> list[Target]:
        return await asking.servers(nameOf(owner), chanceOf(rng))

    return _firing(find, resolver, timeout)


def bindingTargets(
    scheme: str,
    host: str,
    port: int | None = None,
    *,
    protocols: Collection[str] | None = None,
    understood: Collection[int] = (),
    fallback: bool = True,
    recordDelay: float | None = None,
    resolver: object = None,
    timeout: Timeout = None,
    rng: ShufflingSource | None = None,
) -> Deferred[list[Target]]:
    """
    Find out how to connect to a URI's host by its HTTPS or SVCB records (RFC 9460).

    With C{fallback}, the last targets are the end of the host's aliases and then the host itself, with priorities from L{BEHIND} on. They
    are the only ones if the records are missing, are unusable, cannot be looked up or take too long. If the answer failed validation, there
    is no fallback.

    Unless the records are cached, the host's addresses are looked up in parallel, since some networks drop queries for these types:
    C{recordDelay} seconds after the first address arrives, the wait for the records ends. A host without addresses may be reachable by its
    records alone, so without addresses the wait lasts until the timeout.

    @param scheme: C{"https"}, C{"wss"}, C{"dns"}, or another one with a port; not C{"http"}.
    @param host: as in the URI. An address is returned as the only target.
    @param port: L{None} for the default port of the scheme.
    @param protocols: the ALPN ids of the caller's protocols, such as C{("h2", "http/1.1")}; records for other protocols only are left out.
        L{None} accepts any.
    @param understood: keys of parameters that the caller supports, in addition to mandatory, alpn, no-default-alpn, port, ipv4hint and
        ipv6hint; records with other mandatory keys are left out.
    @param recordDelay: in the range of L{RECORD_DELAY<twisted_ext.discovery.limits.RECORD_DELAY>}. Without C{fallback} it is ignored.

    @return: fires with the targets in the order in which to try them.
    """

    async def find(asking: ServiceLookups) -> list[Target]:
        from twisted_ext.discovery.svcb import ServiceBinding, questionFor

        literal = literalHost(host)
        if literal is not None:
            return [Target(literal, questionFor(scheme, "address.invalid", port)[2], BEHIND + 1)]
        binding = ServiceBinding(scheme, host, port, chanceOf(rng), protocols=protocols, understood=understood)
        delay = secondsOf("recordDelay", recordDelay, RECORD_DELAY)
        found: Found | None
        while not binding.done:
            try:
                if fallback:
                    found = await asking.recordsOrAddresses(binding.name, binding.rrType, binding.host, delay)
                else:
                    found = await asking.records(binding.name, binding.rrType)
            except LookupFailed as failure:
                if not fallback or isinstance(failure.__cause__, TrustFault | CallerFault | Closed):
                    raise
                found = None
            if found is None:
                binding.done = True
            else:
                binding.learned(found.owner, found.rdatas, found.aliases)
        return binding.targets(fallback)

    return _firing(find, resolver, timeout)


def mailTargets(
    domain: str | bytes, *, resolver: object = None, timeout: Timeout = None, rng: ShufflingSource | None = None
) -> Deferred[list[Target]]:
    """
    Find the mail servers of a domain (RFC 5321, section 5.1): those of its MX records, in random order among equal preferences; or, without
    MX records, the domain itself.

    @param domain: the part of the mail address after the @.

    @return: fires with at least one target, in the order in which to try them. It fails with
        L{DNSNameError<twisted_ext.compat.conversion.errors.DNSNameError>} if the domain does not exist, and with
        L{ServiceNotAvailable<twisted_ext.compat.conversion.errors.ServiceNotAvailable>} if it accepts no mail (RFC 7505).
    """

    async def find(asking: ServiceLookups) -> list[Target]:
        from twisted_ext.discovery.weights import mailTargets as targetsOf
        from twisted_ext.wire.rdata.types.names import MX

        name = nameOf(domain)
        host = hostOf(name)
        if host is None:
            raise BadName(f"{domain!r:.80} is not a domain that mail could go to; write what is behind the @, such as 'example.org'")
        found = await asking.records(name, rrtypes.MX)
        if found.answer.outcome is Outcome.NXDOMAIN:
            raise errorFromAnswer(Question(name, rrtypes.MX), found.answer)
        with about(name, rrtypes.MX):
            return targetsOf(host, found.read(MX), chanceOf(rng))

    return _firing(find, resolver, timeout)


def urisOf(
    owner: str | bytes, *, resolver: object = None, timeout: Timeout = None, rng: ShufflingSource | None = None
) -> Deferred[list[str]]:
    """
    Look up the URI records of a name (RFC 7553).

    @param owner: such as C{"_http._tcp.example.org"}.

    @return: fires with the URIs in the order in which to try them; an empty list if there are no such records.
    """

    async def find(asking: ServiceLookups) -> list[str]:
        from twisted_ext.discovery.weights import urisOf as inOrder
        from twisted_ext.wire.rdata.types.service import URI

        name = nameOf(owner)
        found = await asking.records(name, rrtypes.URI)
        with about(name, rrtypes.URI):
            return inOrder(found.read(URI), chanceOf(rng))

    return _firing(find, resolver, timeout)


def tlsaOf(
    host: str | bytes,
    port: int,
    transport: str = "tcp",
    *,
    requireAD: bool = True,
    resolver: object = None,
    timeout: Timeout = None,
) -> Deferred[list[TLSA]]:
    """
    Look up the TLSA records of a server (RFC 6698), such as those of C{_443._tcp.www.example.org}.

    Records that an attacker could have forged must be ignored (RFC 6698, section 4.1), so only validated records are returned: validated
    here, or by the upstream server, which indicates it with the AD bit. Both that server and the path to it must be trusted.

    @param port: from 1 to 65535.
    @param transport: C{"tcp"}, C{"udp"}, C{"sctp"} or C{"dccp"}.
    @param requireAD: L{False} to return unvalidated records as well, for inspection.

    @return: fires with the records; an empty list if there are no validated ones.
    """

    async def find(asking: ServiceLookups) -> list[TLSA]:
        from twisted_ext.wire.rdata.types.security import TLSA

        checkedPort(port)
        if transport not in ("tcp", "udp", "sctp", "dccp"):
            raise CallerFault(f"{transport!r} is not a valid transport; write 'tcp', 'udp', 'sctp' or 'dccp'")
        name = nameFromText(f"_{port}._{transport}", nameOf(host))
        found = await asking.records(name, rrtypes.TLSA)
        if requireAD and not found.trusted:
            return []
        with about(name, rrtypes.TLSA):
            return found.read(TLSA)[: int(SERVICE_TARGETS.default)]

    return _firing(find, resolver, timeout, authenticData=True)


def rewrittenTargets(
    domain: str | bytes,
    service: str,
    protocols: Sequence[str] = (),
    port: int | None = None,
    *,
    resolver: object = None,
    timeout: Timeout = None,
    rng: ShufflingSource | None = None,
) -> Deferred[list[Target]]:
    """
    Find the servers of a service by NAPTR records without expressions (S-NAPTR, RFC 3958).

    Rules that lead nowhere are skipped if there are others. Each target's C{priority} is its rank in the order found, and C{protocol} is
    the protocol that it supports.

    @param service: the application service, such as C{"EM"} or C{"x-eduroam"}, in any case.
    @param protocols: the application protocols that the caller supports, most preferred first; empty for any.
    @param port: for rules that lead directly to a host's addresses, which have no port; if L{None}, such rules are ignored.

    @return: fires with the targets in the order in which to try them; an empty list if there are no rules for the service.
    """

    async def find(asking: ServiceLookups) -> list[Target]:
        spoken = protocolsIn("protocols", protocols)
        if port is not None:
            checkedPort(port)
        return await NAPTRWalk(asking, chanceOf(rng)).targets(nameOf(domain), _textIn("service", service), spoken, port)

    return _firing(find, resolver, timeout)


def rewrittenURIs(
    owner: str | bytes, service: str, text: str | None = None, *, resolver: object = None, timeout: Timeout = None
) -> Deferred[list[str]]:
    """
    Find URIs by NAPTR records with expressions (RFC 3403; U-NAPTR, RFC 4848; ENUM, RFC 6116).

    @param service: such as C{"LoST:https"} or C{"E2U+sip"}, in any case.
    @param text: the text to which the expressions are applied; L{None} for the owner.

    @return: fires with the URIs in the order in which to try them; an empty list if no rule for the service matches the text.
    """

    async def find(asking: ServiceLookups) -> list[str]:
        name = nameOf(owner)
        applied = nameToText(name, final=False) if text is None else _textIn("text", text)
        return await NAPTRWalk(asking, chanceOf(None)).uris(name, _textIn("service", service), applied)

    return _firing(find, resolver, timeout)


def numberURIs(
    number: str,
    service: str = "E2U+sip",
    *,
    suffix: str = "e164.arpa",
    resolver: object = None,
    timeout: Timeout = None,
) -> Deferred[list[str]]:
    """
    Find the URIs of a phone number (ENUM, RFC 6116).

    @param number: with a plus and the country code, such as C{"+44 20 7946 0148"}.
    @param suffix: the parent domain of the numbers.

    @return: see L{rewrittenURIs}.
    """

    async def find(asking: ServiceLookups) -> list[str]:
        from twisted_ext.discovery.naptr import numberName

        name, digits = numberName(number, suffix)
        return await NAPTRWalk(asking, chanceOf(None)).uris(nameFromText(name), _textIn("service", service), digits)

    return _firing(find, resolver, timeout)


def _textIn(what: str, given: object) -> str:
    if not isinstance(given, str):
        raise CallerFault(f"{what}: {given!r:.80} is not text")
    return given
