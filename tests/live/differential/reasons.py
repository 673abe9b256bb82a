"""
Why resolvers answer differently, and which of them is right by which RFC.

Unbound 1.17, BIND 9.18, PowerDNS Recursor 4.8 and Knot Resolver 5.6 were compared. Where we were wrong, the code has been mended.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["REASONS", "Reason"]


class Reason(NamedTuple):
    """
    Why another resolver answers differently. One pattern of each of both has to match.

    @ivar section: of the RFC that decides it.
    @ivar text: what we do, and what others do.
    @ivar right: C{"ours"}, or C{"either"} if the RFC allows both.
    @ivar worlds: patterns of the world's name.
    @ivar kinds: patterns of the kind of name.
    @ivar ours: what our reply has to be: C{failure}, C{secure}, C{insecure}, C{answer} for both of these, or C{any}.
    @ivar theirs: the same for the other one; or C{NXDOMAIN}, C{fewer} for fewer records than we give, or C{none} for no reply.
    """

    section: str
    text: str
    right: str
    worlds: tuple[str, ...]
    kinds: tuple[str, ...] = ("*",)
    ours: str = "any"
    theirs: str = "any"


#: The first that matches counts.
REASONS: Final = (
    Reason(
        "RFC 9520, section 2",
        "no server replies: we fail within the client's patience, others go on trying",
        "ours", ("*",), ours="failure", theirs="none",
    ),
    Reason(
        "RFC 1034, section 3.6.2",
        "chains of aliases are followed, and loops end; how many aliases are too many is up to the resolver",
        "either", ("aliases/*",), kinds=("*names-1*", "zones-1*", "*-20"),
    ),
    Reason(
        "RFC 1034, section 3.6.2",
        "a loop of aliases is a failure",
        "ours", ("*",), kinds=("loop",), ours="failure",
    ),
    Reason(
        "RFC 6672, section 2.2",
        "a name that a DNAME record makes too long gets YXDOMAIN, and the record proves it",
        "ours", ("aliases/*",), kinds=("toolong",), ours="answer",
    ),
    Reason(
        "RFC 6672, section 5.3.4.1",
        "a record that denies names next to a DNAME record says nothing of the names below it",
        "ours", ("ordinary/*",), kinds=("dname",), ours="NOERROR", theirs="NXDOMAIN",
    ),
    Reason(
        "RFC 6672, section 3.1",
        "an alias that a DNAME record makes comes with that record",
        "ours", ("*",), kinds=("dname",), ours="answer", theirs="fewer",
    ),
    Reason(
        "RFC 6672, section 3.1",
        "the alias that a DNAME record makes is an answer to a question for CNAME records",
        "ours", ("ordinary/*",), kinds=("dname",), ours="answer", theirs="failure",
    ),
    Reason(
        "RFC 4035, section 5.3.1",
        "the signer is the zone that has the records, not its parent",
        "ours", ("bogus/signed-by-ancestor/*",), ours="failure",
    ),
    Reason(
        "RFC 5011, section 2.1",
        "a key that has been revoked is not used for anything else",
        "ours", ("bogus/revoked-key/*",), ours="failure",
    ),
    Reason(
        "RFC 9276, section 3.2",
        "more NSEC3 iterations than supported make answers insecure",
        "either", ("bogus/nsec3-iterations/*",), ours="answer", theirs="answer",
    ),
    Reason(
        "RFC 9905, section 2",
        "algorithms 5 and 7 are retired, and zones that use them insecure",
        "ours", ("ordinary/*/[57]/*",), ours="insecure", theirs="secure",
    ),
    Reason(
        "RFC 1034, section 3.6.2",
        "the target in the reply to an alias is used, or asked for again: only one of both replies is bogus",
        "either", ("bogus/*/one",),
    ),
    Reason(
        "RFC 8198, section 5",
        "what a reply should prove may be known from earlier replies",
        "either",
        ("bogus/*-nsec/*", "bogus/wildcard-without-proof/*", "*/denies/*", "servers/empty-is-nxdomain/*/signed"),
    ),
    Reason(
        "RFC 4592, section 2.2.2",
        "*.star is an empty non-terminal, so that names that it matches have no data; BIND and Knot DNS do not prove that (RFC "
        "4035, section 3.1.3.4)",
        "ours", ("ordinary/*",), kinds=("wildcard",), ours="failure", theirs="answer",
    ),
    Reason(
        "RFC 4592, section 2.2.2",
        "*.star is an empty non-terminal, so that names that it matches have no data; BIND and Knot DNS do not prove that (RFC "
        "4035, section 3.1.3.4)",
        "ours", ("ordinary/*",), kinds=("wildcard",), ours="answer", theirs="failure",
    ),
    Reason(
        "RFC 4592, section 2.2.2",
        "names that a wildcard matches exist, even if it is an empty non-terminal",
        "ours", ("ordinary/*",), kinds=("wildcard",), ours="secure", theirs="NXDOMAIN",
    ),
    Reason(
        "RFC 5155, section 9.2",
        "what NSEC3 records with opt-out prove gets no AD",
        "ours", ("ordinary/*/optout/*", "ordinary/*/iterated/*", "ordinary/beta/*", "ordinary/delta/*"), ours="insecure", theirs="secure",
    ),
    Reason(
        "RFC 4035, section 3.2.3",
        "only secure answers get AD",
        "ours", ("bogus/unsupported-*", "cuts/*", "ordinary/*island*", "ordinary/*/unsigned/*"), ours="insecure", theirs="secure",
    ),
    Reason(
        "RFC 1034, section 4.3.5",
        "servers of a zone that disagree: each answer is that of one of them",
        "either",
        ("delegations/former/*", "servers/lies/half/unsigned", "servers/empty-is-nxdomain/half/unsigned"),
        ours="answer",
        theirs="answer",
    ),
    Reason(
        "RFC 1034, section 5.3.3",
        "while one server replies, the zone has answers",
        "ours", ("delegations/twelve-*",), ours="answer", theirs="failure",
    ),
    Reason(
        "RFC 2181, section 5.4.1",
        "the servers that the parent names are in reserve for when those of the zone do not reply",
        "either", ("delegations/child-names-*",), ours="answer", theirs="failure",
    ),
    Reason(
        "RFC 4035, section 5.5",
        "where one server sends what is not secure, another one is asked",
        "ours", ("servers/*/half/signed",), ours="secure", theirs="failure",
    ),
    Reason(
        "RFC 2181, section 5.4.1",
        "records that a server has no authority for are dropped, the others are used",
        "ours", ("servers/extra-records/*",), ours="answer", theirs="failure",
    ),
    Reason(
        "RFC 2308, section 2.2",
        "a reply without anything comes from a lame server if another one replies otherwise",
        "ours", ("servers/lame-empty/half/*",), ours="answer",
    ),
    Reason(
        "RFC 2308, section 2.2",
        "a reply without anything counts as one without data, or as none, if all servers send it",
        "either", ("servers/lame-empty/all/unsigned",),
    ),
    Reason(
        "RFC 6891, section 6.1.3",
        "BADVERS for the only version there is: the query is repeated without EDNS, or fails; it is no answer",
        "ours", ("servers/badvers/*",), ours="answer",
    ),
    Reason(
        "RFC 2181, section 5.4.1",
        "replies without AA are taken from the servers of a zone, or not",
        "either", ("servers/not-authoritative/*",), ours="answer", theirs="failure",
    ),
    Reason(
        "RFC 1034, section 5.3.3",
        "a referral that leads no closer is no answer",
        "ours", ("servers/self-referral/all/unsigned",), ours="failure",
    ),
    Reason(
        "RFC 1034, section 5.3.3",
        "a referral that leads no closer is no answer",
        "ours", ("servers/self-referral/half/*",), ours="answer",
    ),
    Reason(
        "RFC 7766, section 5",
        "a server that does not reply over UDP is asked over TCP",
        "ours", ("servers/tcp-only/*",), ours="answer", theirs="failure",
    ),
    Reason(
        "RFC 6891, section 6.2.2",
        "a server that does not reply to queries with EDNS may be asked without it",
        "either", ("servers/drops-*",), ours="answer", theirs="failure",
    ),
    Reason(
        "RFC 9156, section 2.3",
        "a server that fails for a part of a name is asked for the whole name",
        "ours", ("parts/*",), ours="answer", theirs="failure",
    ),
)  # fmt: skip
