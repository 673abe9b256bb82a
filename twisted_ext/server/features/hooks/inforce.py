"""
The hooks that one process asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from twisted_ext.answers import QueryContext
from twisted_ext.errors import BadDescription, BadName, CallerFault
from twisted_ext.resolver.policy.hooks.called import CalledHook
from twisted_ext.resolver.policy.hooks.source import ChosenSource, HookSource
from twisted_ext.server.features.base.feature import Active, Part, Site, Stage
from twisted_ext.server.features.hooks.admitting import AdmittingHooks
from twisted_ext.server.features.hooks.modules import loaded
from twisted_ext.server.features.hooks.watching import watch
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import typeNumber

if TYPE_CHECKING:
    from twisted_ext.hooks.functions import Hook
    from twisted_ext.interfaces import IAnswerSource
    from twisted_ext.metrics.figures import JSON

__all__ = ["AppliedHooks"]


class AppliedHooks(Active):
    """
    The hooks in force for the clients of a view, or for those in none.

    @ivar called: them, in the order in which they are asked.
    """

    rereads = "hooks"
    answers = ("why",)

    def __init__(self, site: Site, words: Sequence[str], former: AppliedHooks | None) -> None:
        """
        @param former: those in force, which stay what they are if their files have not changed.

        @raise BadDescription: one cannot be loaded, or made. Those before it are closed again.
        """
        self.called: list[CalledHook] = []
        self._site = site
        self._off: frozenset[str] = frozenset() if former is None else former._off
        try:
            for hook, name in (*[loaded(word) for word in words], *[(each, each.name) for each in site.hooks]):
                self.called.append(_made(hook, name, site, [] if former is None else former.called))
        except BaseException:
            self.close(former)
            raise
        choosing = Part(Stage.CACHE, wrap=lambda source: ChosenSource(source, site.upstreamOf))
        self.parts = (*[_partOf(each, site) for each in self.called], choosing)
        self._switch()
        ofClients = [each for each in self.called if each.hook.isOfClient]
        self._admitting = AdmittingHooks(ofClients)
        if ofClients and not site.view:
            self.admits = self._admitting.admit

    def isPersonal(self, client: str) -> bool:
        return self._admitting.isPersonal(client)

    def begin(self) -> None:
        for each in self.called:
            watch.add(each)

    def take(self, state: JSON) -> None:
        self._off = frozenset(map(str, state)) if isinstance(state, list) else frozenset()
        self._switch()

    def _switch(self) -> None:
        for each in self.called:
            each.switch(each.name in self._off)

    def described(self) -> JSON:
        """
        Return what each has done.
        """
        return {"hooks": [each.described() for each in self.called]}

    def why(self, arguments: Mapping[str, str]) -> JSON:
        """
        Tell what is decided about a question of a client of this view, as far as it is known.

        @raise CallerFault: the name or the type is not valid.
        """
        client, rrType = arguments["client"], arguments.get("type", "A")
        number = typeNumber(rrType)
        if number is None:
            raise CallerFault(f"{rrType!r} is not a type; write A or AAAA")
        try:
            question = Question(nameFromText(arguments["name"]), number)
        except BadName as error:
            raise CallerFault(f"{arguments['name']!r} is not a name: {error}") from None
        said: list[JSON] = [f"{client} is in {f'view {self._site.view}' if self._site.view else 'no view'}"]
        rule: JSON = None
        word = ""
        for each in self.called:
            if each.isOff or not each.covers(question):
                continue
            verdict = None if each.hook.isOfAnswer else each.known((question, QueryContext(0.0, client=client), None, None))
            if verdict is None:
                said.append(f"hook {each.name} would be asked{' about the answer' if each.hook.isOfAnswer else ''}")
                continue
            said.append(f"hook {each.name} has decided: {verdict.word}")
            if verdict.word != "pass":
                rule, word = f"hook {each.name}", verdict.word
                break
        return {
            "client": client,
            "view": self._site.view or None,
            "blocked": word in ("refuse", "drop"),
            "rewritten": word in ("answer", "ask"),
            "rule": rule,
            "said": said,
        }

    def figures(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for each in self.called:
            found[f"hookCalls {each.name}"] = each.calls
            found[f"hookWaiting {each.name}"] = each.waiting
            found.update({f"hookFailures {each.name} {kind}": count for kind, count in each.failures.items()})
        return found

    def close(self, heir: Active | None) -> None:
        kept = heir.called if isinstance(heir, AppliedHooks) else []
        for each in self.called:
            if each not in kept:
                watch.remove(each)
                each.close()


def _made(hook: Hook, name: str, site: Site, former: Sequence[CalledHook]) -> CalledHook:
    for each in former:
        if each.hook is hook and each.name == name:
            # With what it has decided, and what it waits for.
            return each
    try:
        return CalledHook(hook, site.reactor, site.view, name, partial(_changed, site), site.forget)
    except Exception as error:
        raise BadDescription(f"hook {name} cannot be made: {type(error).__name__}: {error}") from error


def _partOf(called: CalledHook, site: Site) -> Part:
    def wrapped(source: IAnswerSource) -> IAnswerSource:
        return HookSource(source, called, site.reactor, site.sourceOf, site.upstreamOf)

    return Part(Stage.UPSTREAM, partial(_told, called), wrap=wrapped)


def _changed(site: Site) -> None:
    site.readmit()
    site.changed()


def _told(called: CalledHook) -> str:
    hook = called.hook
    below = f" below {', '.join([nameToText(each) for each in hook.below])}" if hook.below else ""
    kept = f"kept {hook.keep:g} s" if hook.keep else "asked about each query"
    parameters = ", ".join(hook.parameters)
    return f"hook: {called.name}({parameters}){below}, within {hook.seconds:g} s or else {hook.otherwise.word}, {kept}"
