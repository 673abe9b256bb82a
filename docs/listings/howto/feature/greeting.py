"""
A feature of the server: names below hello.example have a TXT record that greets each client that asks.
"""

from twisted.internet.defer import succeed
from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, Outcome
from twisted_ext.interfaces import IAnswerSource, IServerFeature
from twisted_ext.metrics.figure import Figure
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import Section, setting
from twisted_ext.server.features.base.feature import Active, Feature, Part, Stage
from twisted_ext.server.features.base.verb import Verb
from twisted_ext.wire.names import isBelow, nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import TXT

IN = 1
DOMAIN = nameFromText("hello.example")


class GreetingSettings(Section):
    greeting: str = setting(types.TEXT, "", "Greet clients that ask for a name below hello.example with this text", group="Greetings")


@implementer(IAnswerSource)
class GreetingSource:
    """
    Answers for hello.example, and asks another source about everything else.
    """

    def __init__(self, greeting, inner):
        self.greeting = greeting
        self.inner = inner

    def ask(self, question, context):
        if not isBelow(question.name.lower(), DOMAIN):
            return self.inner.ask(question, context)
        self.greeting.count += 1
        origin = Origin("local")
        if question.rrType != TXT:
            return Answer(Outcome.NODATA, origin=origin)
        text = self.greeting.text.encode("utf-8")[:255]
        return Answer(Outcome.DATA, (RRSet(question.name, TXT, IN, 60, (bytes([len(text)]) + text,)),), origin=origin)

    def close(self):
        return succeed(None)

    def sources(self):
        return (self.inner,)


class Greeting(Active):
    """
    The feature while it is switched on. A reload makes another one.
    """

    def __init__(self, site, text):
        self.site = site
        self.text = text
        self.count = 0
        self.parts = (Part(Stage.OUTER, lambda: f"greeting: {self.text}", wrap=lambda source: GreetingSource(self, source)),)

    def figures(self):
        return {"greetings": self.count}

    def change(self, arguments):
        self.text = arguments["text"]
        # What was answered before is out of date.
        self.site.changed()
        return {"said": [f"the greeting is now {self.text}"]}


def every(replies):
    """
    Each process that answers has changed its greeting.
    """
    return replies[0]


@implementer(IPlugin, IServerFeature)
class GreetingFeature(Feature):
    name = "greeting"
    settings = GreetingSettings
    figures = (Figure("greetings", "greeting_replies_total", "Replies that greeted.", grows=True, words="greetings"),)
    verbs = (Verb("greet", "greet with another text from now on", Greeting.change, takes=("TEXT",), changes=True, join=every),)
    roles = ("forward", "recurse")

    def make(self, site, former):
        text = site.settings[GreetingSettings].greeting
        return Greeting(site, text) if text else None
