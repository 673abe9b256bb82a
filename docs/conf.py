"""
Sphinx configuration of the narrative documentation; pydoctor builds the API pages.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from html import escape, unescape
from importlib.metadata import version as installedVersion
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sphinx.application import Sphinx

from sphinx.highlighting import PygmentsBridge

sys.path.insert(0, str(Path(__file__).parent))

from blocks import BlockFormatter

project = "twisted_ext"
author = "The twisted_ext authors"
copyright = "2026, the twisted_ext authors"
release = version = installedVersion("twisted-ext")

extensions = ["sphinx.ext.intersphinx", "sphinx_copybutton"]
exclude_patterns = ["_api", "_build", "listings"]
# Report broken references as errors.
nitpicky = True
highlight_language = "python3"

html_theme = "furo"
html_title = f"twisted_ext {release}"
templates_path = ["_templates"]
html_favicon = "../twisted_ext/web/status/icon.svg"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_js_files = [("pages.js", {"defer": "defer"})]
html_theme_options = {"sidebar_hide_name": False, "navigation_with_keys": False, "top_of_page_buttons": []}
PygmentsBridge.html_formatter = BlockFormatter

# Copy what is typed: commands without their prompt and output. Blocks of plain text are output only.
copybutton_selector = "div:not(.highlight-text, .highlight-none) > div.highlight > pre"
copybutton_prompt_text = r"\$ |>>> |\.\.\. ?"
copybutton_prompt_is_regexp = True
copybutton_copy_empty_lines = False
copybutton_line_continuation_character = "\\"

# Inventories are generated from the installed packages, without the network.
_build = Path(__file__).parent / "_build"
intersphinx_mapping = {
    name: (address, str(inventory))
    for name, address, inventory in (
        ("api", "api", _build / "api" / "objects.inv"),
        ("python", "https://docs.python.org/3", _build / "inventories" / "python.inv"),
        ("twisted", "https://docs.twisted.org/en/stable/api", _build / "inventories" / "twisted.inv"),
    )
    if inventory.exists()
}


#: The title of a page.
_TITLE: Final = re.compile(r"\A=+\n.*\n=+\n")

#: What pages with the output of examples have.
_OUTPUT: Final = re.compile(r"^ *\.\. from \S+\.(out|terminal|shown|session)$", re.MULTILINE)


def _addHint(app: Sphinx, name: str, source: list[str]) -> None:
    # Readers come from a search engine, and have not read the tour.
    if name != "tour/index" and _OUTPUT.search(source[0]):
        hint = "*To try the examples as they stand, start* ``txdns demo``: :ref:`follow-along`."
        source[0] = _TITLE.sub(rf"\g<0>\n{hint}\n", source[0], count=1)


#: Paragraphs in the HTML of a page, first those that are not in lists and tables.
_PARAGRAPH: Final = re.compile(r"^<p>(.*?)</p>$", re.MULTILINE | re.DOTALL)
_ANY_PARAGRAPH: Final = re.compile(r"<p>(.*?)</p>", re.DOTALL)
_TAG: Final = re.compile(r"<[^>]*>")

#: The titles of pages that have no text of their own.
_GENERATED: Final = {"genindex": "Index", "search": "Search"}

#: The most characters of a description that search engines show.
_DESCRIPTION: Final = 160


def _described(paragraphs: Iterable[str]) -> str:
    """
    Return the description of a page: its first sentences, of those paragraphs that say something.
    """
    text = ""
    for paragraph in paragraphs:
        if not paragraph.startswith(("To try the examples", "Status: ", "What would change our mind")):
            text = f"{text} {' '.join(paragraph.split())}".strip()
            text = f"{text[:-1]}." if text.endswith(":") else text
        if len(text) > _DESCRIPTION // 2:
            break
    if len(text) > _DESCRIPTION:
        sentences = text[:_DESCRIPTION].rpartition(". ")[0]
        text = f"{sentences}." if len(sentences) > _DESCRIPTION // 2 else text[: _DESCRIPTION - 1].rpartition(" ")[0].rstrip(",:;") + "…"
    return text


def _addDescription(app: Sphinx, name: str, template: str, context: dict[str, object], page: object) -> None:
    tags = str(context.get("metatags", ""))
    if 'name="description"' in tags:
        return
    # Paragraphs that begin a line, before those within lists: some pages have no other ones.
    for paragraphs in (_PARAGRAPH, _ANY_PARAGRAPH):
        text = _described([unescape(_TAG.sub("", each)) for each in paragraphs.findall(str(context.get("body", "")))])
        if text:
            break
    text = text or f"{_GENERATED.get(name, name)}: the documentation of twisted_ext"
    context["metatags"] = f'{tags}<meta content="{escape(text)}" name="description">\n'


def setup(app: Sphinx) -> None:
    app.connect("source-read", _addHint)
    app.connect("html-page-context", _addDescription)
