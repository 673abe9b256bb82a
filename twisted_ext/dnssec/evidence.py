"""
The proof of an answer as a value: the answer with all keys, DS records and denials that it takes to validate it. It can be saved, sent and
checked again without a network.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Generator, Sequence
from json import JSONDecodeError, dumps, loads
from typing import Final

from twisted_ext.answers import Answer, Origin, Outcome, Security
from twisted_ext.dnssec.algorithms import STANDARD, Profile
from twisted_ext.dnssec.limits import EVIDENCE_ANSWERS, EVIDENCE_STEPS
from twisted_ext.dnssec.trustanchors import ROOT_ANCHORS, Anchor, TrustAnchors
from twisted_ext.dnssec.validation import Validated, Validator
from twisted_ext.dnssec.verdicts import BOGUS, Reason, Verdict
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BadDescription, BadMessage, BadName, BadRecord, DNSFault, ServerFailed
from twisted_ext.outcomes import answerFromMessage
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AA, QR, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.text import recordFromText, recordToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, CNAME, DNAME, DNSKEY, DS, SOA, typeName, typeNumber

__all__ = ["FORMAT", "VERSION", "Evidence", "Step", "aliasTarget", "followed"]


#: The value of C{format} in the JSON, and that of C{version}.
FORMAT: Final = "dnssec-evidence"
VERSION: Final = 1

#: Octets of saved evidence as JSON: that of a name with three zones takes 10,000; an answer of 64 KiB takes 87,000 in base64.
_MOST_OCTETS: Final = 4 << 20
_MOST_ANSWERS: Final = int(EVIDENCE_ANSWERS.default)
_MOST_STEPS: Final = int(EVIDENCE_STEPS.default)

#: Characters of a text in the JSON that does not hold a message.
_MOST_CHARACTERS: Final = 4096

#: Characters of the address of a server with its port.
_SERVER_CHARACTERS: Final = 300

_MOST_REASONS: Final = 64

#: The octets of a message.
_WHOLE: Final = 65_535

#: Levels of security, the least trusted one first.
_TRUST: Final = (Security.BOGUS, Security.INDETERMINATE, Security.INSECURE, Security.SECURE)

#: What a question led to: an answer, or the fault with which it failed.
Result = Answer | DNSFault


class Step:
    """
    One question with its answer: the one that was asked, or the target of aliases that lead out of the previous answer.
    """

    __slots__ = ("question", "answer")

    def __init__(self, question: Question, answer: Answer) -> None:
        self.question = question
        self.answer = answer

    def __repr__(self) -> str:
        return f"<Step {self.question} {self.answer}>"


class Evidence:
    """
    An answer and its proof.

    @ivar steps: the question and its answer, and those for targets of aliases.
    @ivar support: the answers for keys and DS records, or the faults with which the questions failed.
    @ivar anchors: the trust anchors that were used. They are only a record: L{check} needs anchors of its own.
    @ivar time: when it was validated, in seconds since 1970.
    @ivar verdict: the result.
    """

    __slots__ = ("steps", "support", "anchors", "time", "verdict")

    def __init__(
        self, steps: Sequence[Step], support: dict[Question, Result], anchors: Sequence[Anchor], time: int, verdict: Verdict
    ) -> None:
        self.steps = tuple(steps)
        self.support = support
        self.anchors = tuple(anchors)
        self.time = time
        self.verdict = verdict

    @property
    def question(self) -> Question:
        return self.steps[0].question

    @property
    def answer(self) -> Answer:
        """
        The answer to the question; targets of aliases that lead out of it are in further C{steps}.
        """
        return self.steps[0].answer

    @property
    def security(self) -> Security:
        return self.verdict.security

    def check(self, anchors: TrustAnchors | None = None, now: int | None = None, profile: Profile = STANDARD) -> Verdict:
        """
        Validate the answer again, from what was saved alone. Missing answers are given as reasons.

        @param anchors: whom to trust, by default the keys of the root that are built in; those of the evidence may be the sender's
            invention.
        @param now: seconds since 1970, by default the time of the evidence.
        """
        if anchors is None:
            anchors = TrustAnchors(ROOT_ANCHORS)
        return self.judge(Validator(lambda name, _: anchors.closest(name), profile), self.time if now is None else now)

    def judge(self, validator: Validator, now: int) -> Verdict:
        """
        Validate the answer with a validator, which should be new: what it knows already is not checked.
        """
        work = Work()
        verdicts: list[Verdict] = []
        for step in self.steps:
            verdicts.append(self._judged(validator.validate(step.question, step.answer, now, work)))
        broken = self._break()
        if broken is not None:
            verdicts.append(broken)
        return followed(verdicts)

    def _judged(self, steps: Generator[Question, Result, Validated]) -> Verdict:
        try:
            needed = next(steps)
            while True:
                found = self.support.get(needed)
                if found is None:
                    found = ServerFailed(f"the evidence has no answer for {nameToText(needed.name)} {typeName(needed.rrType)}")
                needed = steps.send(found)
        except StopIteration as done:
            validated: Validated = done.value
            return validated.blamed

    def _break(self) -> Verdict | None:
        """
        Return the verdict if the steps do not follow from each other, or end too early.
        """
        for step, following in zip(self.steps, self.steps[1:], strict=False):
            target = aliasTarget(step.question, step.answer)
            asked = following.question
            if target is None or target.lower() != asked.key[:-4] or asked.rrType != step.question.rrType:
                return _bogus(f"the evidence has an answer for {nameToText(asked.name)}, to which no alias leads")
        last = self.steps[-1]
        target = aliasTarget(last.question, last.answer)
        if target is not None:
            return _bogus(f"the evidence has no answer for {nameToText(target)}, to which an alias leads")
        return None

    # -- JSON

    def toJSON(self) -> str:
        """
        Return it as one JSON object. Messages are in base64.
        """
        question = self.question
        data = {
            "format": FORMAT,
            "version": VERSION,
            "name": nameToText(question.name),
            "type": typeName(question.rrType),
            "time": self.time,
            "security": self.verdict.security.value,
            "reasons": [{"code": code, "text": text} for code, text in self.verdict.reasons],
            "anchors": [
                line for anchor in self.anchors for line in recordToText(RRSet(anchor.zone, anchor.rrType, 1, 0, (anchor.rdata,)))
            ],
            "answers": [_entryOf(step.question, step.answer) for step in self.steps],
            "support": [_entryOf(question, result) for question, result in self.support.items()],
        }
        return dumps(data, indent=1) + "\n"

    @classmethod
    def fromJSON(cls, text: str | bytes, where: str = "evidence") -> Evidence:
        """
        Read what L{toJSON} has written.

        @param where: the name of the file, for the error.

        @raise BadDescription: it is not valid; says what is wrong, where, and what would be right.
        """
        try:
            return _Reader().read(text)
        except _Fault as fault:
            raise BadDescription(f"{where}: {fault}") from None

    def __repr__(self) -> str:
        return f"<Evidence {self.question} {self.verdict} {len(self.support)} supporting answers>"


def followed(verdicts: Sequence[Verdict]) -> Verdict:
    """
    Return the verdict on a chain of answers, which is that of the least trusted one.
    """
    worst = min([verdict.security for verdict in verdicts], key=_TRUST.index)
    reasons = [reason for verdict in verdicts if verdict.security is worst for reason in verdict.reasons]
    return Verdict(worst, tuple(dict.fromkeys(reasons)))


def aliasTarget(question: Question, answer: Answer) -> bytes | None:
    """
    Return the name that the aliases of an answer lead to if the answer says nothing of it, else L{None}.
    """
    if answer.outcome is not Outcome.NODATA or question.rrType in (CNAME, ANY, DNAME):
        return None
    aliases: dict[bytes, bytes] = {}
    for rrset in answer.answer:
        if rrset.rrType == CNAME:
            aliases.setdefault(rrset.name.lower(), rrset.rdatas[0])
    name, target = question.key[:-4], None
    while name in aliases:
        target = aliases.pop(name)
        name = target.lower()
    if target is None or any(rrset.rrType == SOA for rrset in answer.authority):
        # With an SOA record, the servers of the zone have denied the target themselves.
        return None
    return target


def _bogus(text: str) -> Verdict:
    return Verdict(Security.BOGUS, ((BOGUS, text),))


def _entryOf(question: Question, result: Result) -> dict[str, str]:
    entry = {"name": nameToText(question.name), "type": typeName(question.rrType)}
    if isinstance(result, Answer):
        rcode = Rcode.NXDOMAIN if result.outcome is Outcome.NXDOMAIN else Rcode.NOERROR
        message = Message(0, QR | (result.flags & AA) | rcode, (question,), result.answer, result.authority)
        entry["message"] = b64encode(buildMessage(message, _WHOLE)).decode()
        if result.origin is not None and result.origin.server:
            entry["server"] = result.origin.server
    else:
        entry["failed"] = str(result)[:_MOST_CHARACTERS]
    return entry


class _Fault(Exception):
    """
    The JSON is not valid.
    """


class _Reader:
    """
    Reads one evidence.
    """

    def read(self, text: str | bytes) -> Evidence:
        if len(text) > _MOST_OCTETS:
            raise _Fault(f"{len(text)} octets; evidence has at most {_MOST_OCTETS}")
        try:
            data: object = loads(text)
        except JSONDecodeError as error:
            raise _Fault(f"line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}") from None
        except (UnicodeDecodeError, RecursionError, ValueError):
            raise _Fault("not valid JSON, which txdns validate --save writes") from None
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise _Fault(f'an object with "format": "{FORMAT}" was expected, which txdns validate --save writes')
        if data.get("version") != VERSION:
            raise _Fault(f"version {str(data.get('version'))[:20]} is not known; this program reads version {VERSION}")
        answers = self._list(data, "answers", _MOST_STEPS)
        support = self._list(data, "support", _MOST_ANSWERS)
        steps = []
        for index, entry in enumerate(answers):
            question, result = self._result(entry, f"answers[{index}]")
            if not isinstance(result, Answer):
                raise _Fault(f"answers[{index}]: a message was expected")
            steps.append(Step(question, result))
        if not steps:
            raise _Fault("answers: at least one was expected")
        time = data.get("time")
        if not isinstance(time, int) or isinstance(time, bool) or not 0 <= time < 1 << 40:
            raise _Fault("time: a number of seconds since 1970 was expected")
        results = [self._result(entry, f"support[{index}]") for index, entry in enumerate(support)]
        return Evidence(steps, dict(results), self._anchors(data), time, self._verdict(data))

    def _list(self, data: dict[str, object], key: str, most: int) -> list[object]:
        found = data.get(key)
        if not isinstance(found, list):
            raise _Fault(f"{key}: a list was expected")
        if len(found) > most:
            raise _Fault(f"{key}: {len(found)} entries; at most {most} are allowed")
        return found

    def _text(self, data: dict[str, object], key: str, where: str, most: int = _MOST_CHARACTERS) -> str:
        found = data.get(key)
        if not isinstance(found, str) or len(found) > most:
            raise _Fault(f"{where}: {key}: a text of at most {most} characters was expected")
        return found

    def _result(self, entry: object, where: str) -> tuple[Question, Result]:
        if not isinstance(entry, dict):
            raise _Fault(f"{where}: an object was expected")
        rrType = typeNumber(self._text(entry, "type", where, 20))
        try:
            name = nameFromText(self._text(entry, "name", where))
        except BadName as fault:
            raise _Fault(f"{where}: name: {fault}") from None
        if rrType is None:
            raise _Fault(f"{where}: type: a record type such as DNSKEY was expected")
        question = Question(name, rrType)
        if "failed" in entry:
            return question, ServerFailed(self._text(entry, "failed", where))
        try:
            octets = b64decode(self._text(entry, "message", where, _MOST_OCTETS), validate=True)
            message = Message.fromWire(octets).check()
            if message.questions != (question,):
                raise _Fault(f"{where}: message: it answers another question")
            server = self._text(entry, "server", where, _SERVER_CHARACTERS) if "server" in entry else ""
            return question, answerFromMessage(question, message, Origin("evidence", server))
        except ValueError:
            raise _Fault(f"{where}: message: base64 was expected") from None
        except (BadMessage, ServerFailed) as fault:
            raise _Fault(f"{where}: message: {fault}") from None

    def _anchors(self, data: dict[str, object]) -> list[Anchor]:
        anchors = []
        for index, line in enumerate(self._list(data, "anchors", _MOST_ANSWERS)):
            where = f"anchors[{index}]"
            if not isinstance(line, str) or len(line) > _MOST_CHARACTERS:
                raise _Fault(f"{where}: a DS or DNSKEY record as text was expected")
            try:
                record = recordFromText(line)
            except (BadRecord, BadName) as fault:
                raise _Fault(f"{where}: {fault}") from None
            if record.rrType not in (DS, DNSKEY) or len(record.rdatas[0]) < 5:
                raise _Fault(f"{where}: a DS or DNSKEY record was expected")
            anchors.append(Anchor(record.name.lower(), record.rrType, record.rdatas[0], False))
        return anchors

    def _verdict(self, data: dict[str, object]) -> Verdict:
        try:
            security = Security(data.get("security"))
        except ValueError:
            raise _Fault(f"security: one of {', '.join([each.value for each in Security])} was expected") from None
        reasons: list[Reason] = []
        for index, entry in enumerate(self._list(data, "reasons", _MOST_REASONS)):
            code = entry.get("code") if isinstance(entry, dict) else None
            if not isinstance(entry, dict) or not isinstance(code, int) or not 0 <= code < 65_536:
                raise _Fault(f"reasons[{index}]: an object with code and text was expected")
            reasons.append((int(code), self._text(entry, "text", f"reasons[{index}]")))
        return Verdict(security, tuple(reasons))
