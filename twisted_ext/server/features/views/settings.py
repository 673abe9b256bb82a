"""
The settings for views.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.server.config import types
from twisted_ext.server.config.setting import RESOLVING, Section, setting

__all__ = ["ViewsSettings"]


def _viewTable() -> type[types.Tabled]:
    from twisted_ext.server.features.views.viewsettings import ViewSettings

    return ViewSettings


_VIEW: Final = types.Table(
    "the name of a view and its clients, such as children=192.168.1.40,192.168.1.41, or a table", _viewTable
)


class ViewsSettings(Section):
    isFirst = True

    view: tuple[str, ...] = setting(
        _VIEW,
        (),
        "Answer these clients by settings of their own: children=192.168.1.40,192.168.1.41. In the settings file it is a table headed "
        "[[view]], with name, clients and any of lists, block, block-list, block-except and block-reply; what it leaves out is as for all",
        group="Access control and replies",
        roles=RESOLVING,
    )
