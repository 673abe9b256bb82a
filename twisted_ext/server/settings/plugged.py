"""
All settings: those of the server, of its features, and of features of other packages, which are found when they are needed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence
from typing import Final

from twisted_ext.server.config.setting import DECLARED, Setting
from twisted_ext.server.features import order
from twisted_ext.server.features.base.feature import Feature

__all__ = ["allSettings", "hasOtherPlugins", "pluggedFeatures", "pluginComplaints"]

#: The plugins of Twisted and of this package, none of which is a feature.
_KNOWN: Final = frozenset(
    """
    __init__ cred_anonymous cred_file cred_memory cred_sshkeys cred_unix twisted_conch twisted_core twisted_ext_dropin twisted_ftp
    twisted_inet twisted_mail twisted_names twisted_portforward twisted_reactors twisted_runner twisted_socks twisted_trial twisted_web
    twisted_words
    """.split()
)

#: An error text for each plugin that could not be adopted.
pluginComplaints: Final[list[str]] = []

_isAdopted = False


def hasOtherPlugins() -> bool:
    """
    Return whether there are plugins of other packages. To look for features among them takes a tenth of a second.
    """
    for path in sys.path:
        try:
            names = os.listdir(os.path.join(path or ".", "twisted", "plugins"))
        except OSError:
            continue
        if any(name.endswith(".py") and name[:-3] not in _KNOWN for name in names):
            return True
    return False


def pluggedFeatures(known: Sequence[Feature], names: Collection[str]) -> tuple[list[Feature], list[str]]:
    """
    Load the features among Twisted's plugins. This imports plugins of other packages, which takes time that few servers need to spend.

    @param known: those that there are already.
    @param names: the names of settings that there are.

    @return: the usable ones, by name, and an error text for each of the others.
    """
    # Not at the start of each command that reads settings.
    from twisted_ext.interfaces import IServerFeature
    from twisted_ext.resolver.strings.plugins import pluginsFor

    found: list[Feature] = []
    plugins, wrong = pluginsFor(IServerFeature)
    for plugin in sorted(plugins, key=lambda each: str(getattr(each, "name", ""))):
        if isinstance(plugin, Feature):
            fault = _wrongWith(plugin, [*known, *found], names)
        else:
            fault = "it does not extend twisted_ext.server.features.base.feature.Feature"
        if fault:
            wrong.append(f"the feature {plugin!r} is not used: {fault}")
        elif isinstance(plugin, Feature):
            found.append(plugin)
    return found, wrong


def _wrongWith(feature: Feature, others: Sequence[Feature], names: Collection[str]) -> str:
    """
    Return why a feature cannot be used beside others; C{""} if it can.
    """
    name = getattr(feature, "name", None)
    if not isinstance(name, str) or not name.isidentifier():
        return f"its name {name!r} is not a word"
    if name in [each.name for each in others]:
        return f"the name {name} is taken"
    try:
        named = [each.name for each in feature.settings.declared()]
    except (ValueError, AttributeError, TypeError) as error:
        return f"its settings cannot be read: {type(error).__name__}: {error}"
    theirs = {each.name for other in others for each in other.settings.declared()}
    taken = [each for each in named if each in names or each in theirs]
    if taken:
        return f"the setting {taken[0]} is taken"
    figures = {word for other in others for each in other.figures for word in (each.key, each.metric)}
    lost = [each.key for each in feature.figures if each.key in figures or each.metric in figures]
    if lost:
        return f"the figure {lost[0]} is taken"
    from twisted_ext.server.operations.table import OPERATIONS

    words = {verb.words[0] for verb in (*OPERATIONS, *[verb for other in others for verb in other.verbs])}
    heard = [verb.path for verb in feature.verbs if verb.words[0] in words or len(verb.words) > 2]
    return f"the command {heard[0].replace('/', ' ')} is taken, or has more than two words" if heard else ""


def _adopt() -> None:
    """
    Add the features of plugins, which are other packages. Most servers have none.
    """
    global _isAdopted
    if _isAdopted or not hasOtherPlugins():
        return
    # Set first: a plugin may read settings while it is imported.
    _isAdopted = True
    found, complaints = pluggedFeatures(order.ORDER, DECLARED.byName)
    pluginComplaints.extend(complaints)
    if found:
        order.ORDER = (*order.ORDER, *found)
        order.declare()


DECLARED.adopt = _adopt


def allSettings(*, plugins: bool = True) -> tuple[Setting, ...]:
    """
    Return the settings of the server and of all features.

    @param plugins: those of plugins too, which are loaded for that.
    """
    return DECLARED.withPlugins() if plugins else DECLARED.all
