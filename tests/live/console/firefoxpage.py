"""
One page of Firefox, used as one of Chromium is.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from tests.apps.browsing import Page
from tests.live.encrypted.firefox import Firefox

__all__ = ["FirefoxPage"]

#: Keys as WebDriver writes them.
_KEYS: Final = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", "ArrowLeft": "\ue012"}
_CONTROL: Final = "\ue009"


class FirefoxPage(Firefox, Page):
    """
    See L{Browsing<tests.apps.browsing.Browsing>}.
    """

    def __init__(self, folder: Path, width: int, scheme: str = "light") -> None:
        """
        @param width: that of the screen, in pixels, at least 500.
        """
        folder.mkdir()
        settings = {
            "layout.css.prefers-color-scheme.content-override": 0 if scheme == "dark" else 1,
            "signon.rememberSignons": False,
            # As Chromium does: Tab goes to links, too.
            "accessibility.tabfocus": 7,
        }
        super().__init__(folder, settings, {**os.environ, "HOME": str(folder)})
        self._width = width

    def __enter__(self) -> FirefoxPage:
        super().__enter__()
        self.screen(self._width)
        return self

    def screen(self, width: int, height: int = 900, *, phone: bool = False) -> None:
        self._done("WebDriver:SetWindowRect", width=width, height=height)
        self.wait(f"innerWidth == {width}")

    def _done(self, method: str, more: str = "", **parameters: object) -> object:
        """
        @param more: the script in place of one that is no expression.
        """
        error, result = self._call(method, parameters)
        if "SyntaxError" in str(error):
            # Several statements, which have no value.
            error, result = self._call(method, {**parameters, "script": more})
        if error is not None and ("unload" in str(error) or "navigat" in str(error) or "discarded" in str(error)):
            # What was asked for has led to another page.
            return None
        assert error is None, error
        return result.get("value") if isinstance(result, dict) else None

    def open(self, address: str, drawn: str) -> None:
        """
        Open a page and wait until the expression C{drawn} is true.
        """
        self._done("WebDriver:Navigate", url=address)
        self.wait(drawn)

    def value(self, expression: str) -> object:
        """
        Return the value of a JavaScript expression within the page.
        """
        return self._done("WebDriver:ExecuteScript", expression, script=f"return ({expression}\n)", args=[], sandbox=None)

    def press(self, key: str) -> None:
        """
        Press a key: C{"Tab"}, C{"Enter"}, C{"Escape"} or C{"ArrowLeft"}, or one that writes a character.
        """
        self._keys([("keyDown", _KEYS.get(key, key)), ("keyUp", _KEYS.get(key, key))])

    def selectAll(self) -> None:
        """
        Press Ctrl-A.
        """
        self._keys([("keyDown", _CONTROL), ("keyDown", "a"), ("keyUp", "a"), ("keyUp", _CONTROL)])

    def _keys(self, pressed: list[tuple[str, str]]) -> None:
        actions = [{"type": kind, "value": key} for kind, key in pressed]
        self._done("WebDriver:PerformActions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])
