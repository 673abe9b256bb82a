"""
What several views and processes say of their hooks, in one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON

__all__ = ["joined"]

#: Numbers that are added up.
_ADDED: Final = ("calls", "kept", "waiting")


def joined(told: list[JSON]) -> dict[str, JSON]:
    """
    Return one object for each hook of each view: numbers are added up, of those processes that have called it C{mean} is the mean, and
    C{p99} the largest.

    @param told: objects whose C{hooks} are those of L{CalledHook.described
        <twisted_ext.resolver.policy.hooks.called.CalledHook.described>}.
    """
    found: dict[tuple[str, str], dict[str, JSON]] = {}
    for said in told:
        hooks = said.get("hooks") if isinstance(said, dict) else None
        for each in hooks if isinstance(hooks, list) else []:
            if isinstance(each, dict):
                key = str(each["hook"]), str(each["view"] or "")
                found[key] = _together(found[key], each) if key in found else {**each}
    return {"hooks": [*found.values()]}


def _together(one: dict[str, JSON], other: dict[str, JSON]) -> dict[str, JSON]:
    calls, more = _number(one["calls"]), _number(other["calls"])
    both = {**one, **{key: _number(one[key]) + _number(other[key]) for key in _ADDED}}
    if calls + more:
        both["mean"] = round((calls * _number(one["mean"]) + more * _number(other["mean"])) / (calls + more), 3)
    both["p99"] = max(_number(one["p99"]), _number(other["p99"]))
    # One that rests in a single process is worth a look.
    both["state"] = one["state"] if one["state"] != "asked" else other["state"]
    failures: dict[str, JSON] = {}
    for each in (one["failures"], other["failures"]):
        for kind, count in (each if isinstance(each, dict) else {}).items():
            failures[kind] = _number(failures.get(kind, 0)) + _number(count)
    return {**both, "failures": failures}


def _number(value: JSON) -> float:
    return value if isinstance(value, int | float) else 0
