"""
What operators are told of settings that were read again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from twisted_ext.server.config.setting import Setting
    from twisted_ext.server.config.settings import Settings

__all__ = ["NOTHING", "changedLines"]

#: The line reported if nothing has changed.
NOTHING: Final = "nothing has changed"


def changedLines(before: Settings, after: Settings, rereads: Sequence[str], unsaid: Collection[str] = ()) -> list[str]:
    """
    Format the changed settings, and on each reload those that need a restart to change.

    @param unsaid: names of settings that are left out.

    @param rereads: what features have read again.
    """
    changed = [setting for setting in before.differing(after) if setting.name not in unsaid]
    lines = [_line(setting, _short(before.value(setting)), _short(after.value(setting))) for setting in changed]
    if lines:
        return lines
    read = [
        *rereads,
        *(["certificates"] if (after.tls or after.https or after.quic or after.http3) and after.certificate else []),
        *(["trust anchors"] if after.trustAnchor and after.validate and after.role == "recurse" else []),
    ]
    return [f"no setting has changed; the files of {' and '.join(read)} were read again" if read else NOTHING]


def _line(setting: Setting, before: str, after: str) -> str:
    if setting.live:
        return f"{setting.name}: {before} is now {after}"
    return f"{setting.name}: still {before}; {after} takes a restart"


def _short(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    shown = ", ".join([str(each) for each in value]) if isinstance(value, tuple) else str(value)
    return (shown if len(shown) <= 60 else f"{shown[:57]}...") or "none"
