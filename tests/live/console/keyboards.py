"""
A person at a browser who has no mouse.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from tests.apps.browsing import Browsing, browserPath, commandOf
from tests.live.console.firefoxpage import FirefoxPage

__all__ = ["Keyboard"]

#: What someone who does not see the screen is told that the keyboard is at.
_NAME = """(each => !each || each == document.body ? '' : (each.getAttribute('aria-label') || (each.labels && each.labels[0] ?
    each.labels[0].innerText : each.innerText) || '').trim())(document.activeElement)"""

#: The most that one has to press Tab on a page.
_TABS = 400


class Keyboard:
    """
    A browser that is used by its keyboard alone.

    @ivar clicks: how many links and buttons were used since L{begin}.
    @ivar fields: into how many fields something was written, or chosen.
    """

    page: Browsing | FirefoxPage

    def __init__(self, folder: Path, address: str, firefox: int = 0, scheme: str = "light") -> None:
        """
        @param folder: for the browser.
        @param address: the site.
        @param firefox: the width of the screen in Firefox; 0 for Chromium.
        @param scheme: with Firefox, C{"light"} or C{"dark"}.
        """
        self.page = FirefoxPage(folder, firefox, scheme) if firefox else Browsing(commandOf(browserPath(), folder))
        self._address = address
        self.clicks = self.fields = 0

    def __enter__(self) -> Keyboard:
        self.page.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.page.open("about:blank", "location.href == 'about:blank'")
        self.page.__exit__(kind, value, trace)

    def signIn(self, name: str, password: str, path: str = "/") -> None:
        """
        Sign in, and go to a page.
        """
        self.page.open(f"{self._address}{path}", "document.getElementById('password')")
        self.write("Name", name)
        self.write("Password", password)
        self.click("Sign in")

    def begin(self, path: str = "/") -> None:
        """
        Begin a task at a page.
        """
        self.page.open(f"{self._address}{path}", f"location.pathname == '{path}' && document.readyState == 'complete'")
        self.clicks = self.fields = 0

    def to(self, label: str) -> None:
        """
        Press Tab until the keyboard is at a link, button or field.
        """
        seen: list[object] = []
        for _ in range(_TABS):
            seen.append(self.page.value(_NAME))
            if seen[-1] == label:
                return
            self.page.press("Tab")
        raise AssertionError((label, seen))

    def click(self, label: str) -> None:
        """
        Use a link or a button, and wait for the page that it leads to.
        """
        self.to(label)
        self.page.value("window.isFormer = true")
        self.clicks += 1
        self.page.press("Enter")
        self.page.wait("!window.isFormer && document.readyState == 'complete'")

    def write(self, label: str, text: str) -> None:
        """
        Write into a field, in place of what it has.
        """
        self.to(label)
        self.fields += 1
        self.page.selectAll()
        for each in text:
            self.page.press(each)

    def choose(self, label: str, text: str) -> None:
        """
        Choose what begins with a text from a list.
        """
        self.to(label)
        self.fields += 1
        for each in text:
            self.page.press(each)

    @property
    def said(self) -> str:
        """
        What the page says was done.
        """
        return str(self.page.value("(each => each ? each.firstChild.textContent.trim() : '')(document.querySelector('.said'))"))

    def has(self, text: str) -> bool:
        """
        Return whether the page shows a text.
        """
        return text in str(self.page.value("document.body.innerText"))
