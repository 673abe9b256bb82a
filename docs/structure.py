"""
Draw the packages and their imports: a box for each package, in layers, so that each package imports only packages below it.

    python docs/structure.py [FILE]

Without FILE the picture is written to C{docs/structure.svg}. Imports for type checkers are ignored. C{tests/docs/test_structure.py}
compares the picture with the imports.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
PACKAGE: Final = "twisted_ext"
PICTURE: Final = ROOT / "docs" / "structure.svg"

#: Top-level modules that are the public interface of a package.
FACES: Final = {"bulk": "compat", "client": "compat", "dns": "compat", "error": "compat", "__main__": "apps.cli"}

#: Packages in one folder that import each other: records and their rdata, the client and its look-ups.
TOGETHER: Final = {"wire.rdata": "wire", "wire.rdata.types": "wire", "compat.lookups": "compat"}

#: The width of a page's column.
_WIDTH: Final = 860
_GAP: Final = 10
_LINE: Final = 17


_LABEL: Final = "The packages of twisted_ext in layers, from the wire format at the bottom to the programs at the top"

#: Colors of the drawing: text, numbers, lines, borders, boxes, and boxes of server, zone, resolver, apps and the public interfaces.
_NAMES: Final = ("text", "number", "line", "border", "box", "server", "zone", "resolver", "apps", "face")
_LIGHT: Final = ("#222", "#5f5f5f", "#ddd", "#999", "#f4f4f0", "#e4eefb", "#e6f4e4", "#fdf0dc", "#f6e6f3", "#fbe9e7")
_DARK: Final = ("#eee", "#a8a8a8", "#444", "#777", "#2b2b2b", "#1c3350", "#1f3d1f", "#4a3611", "#43213d", "#4d2621")


def _colors(values: tuple[str, ...]) -> str:
    return ".structure{" + ";".join([f"--{name}:{value}" for name, value in zip(_NAMES, values, strict=True)]) + "}"


#: It is part of a page that may be switched to dark, or a picture of its own that follows the system. Names are those of the drawing only.
_STYLE: Final = "".join(
    [
        _colors(_LIGHT),
        f"@media (prefers-color-scheme:dark){{{_colors(_DARK)}}}",
        f"body[data-theme=light] {_colors(_LIGHT)}",
        f"body[data-theme=dark] {_colors(_DARK)}",
        ".structure text{font:13px sans-serif;fill:var(--text)}.structure .floor{font-size:14px;fill:var(--number)}",
        ".structure rect{fill:var(--box);stroke:var(--border)}.structure line{stroke:var(--line)}",
        *[f".structure .{name} rect{{fill:var(--{name})}}" for name in ("server", "zone", "resolver", "apps")],
        ",".join([f".structure .{name} rect" for name in ("compat", "endpoints", "addrinfo", "asyncio", "integrations")]),
        "{fill:var(--face)}",
    ]
)


@dataclass
class Place:
    """
    A package, or a top-level module.

    @ivar modules: the number of its modules.
    @ivar uses: the places that it imports.
    """

    name: str
    modules: int = 0
    uses: set[str] = field(default_factory=set)


def _imports(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        for other in node.orelse:
            yield from _imports(other)
        return
    if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.split(".")[0] == PACKAGE:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from _imports(child)


def places() -> dict[str, Place]:
    """
    Return all places by their names below C{twisted_ext}.
    """
    paths = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        paths[dotted.removesuffix(".__init__")] = path

    def placeOf(module: str) -> str:
        name = module if paths[module].name == "__init__.py" else module.rpartition(".")[0]
        name = name.removeprefix(PACKAGE).lstrip(".")
        if not name:
            name = module.removeprefix(f"{PACKAGE}.")
        elif module.endswith(".limits"):
            # Limits are below the packages that use them.
            name = f"{name}.limits"
        return TOGETHER.get(name, FACES.get(name, name))

    found: dict[str, Place] = {}
    for module, path in paths.items():
        if module == PACKAGE:
            continue
        source = path.read_text("utf-8")
        name = placeOf(module)
        place = found.setdefault(name, Place(name))
        place.modules += path.name != "__init__.py"
        for imported in _imports(ast.parse(source)):
            while imported not in paths:
                imported = imported.rpartition(".")[0]
            if imported != PACKAGE and placeOf(imported) != name:
                place.uses.add(placeOf(imported))
    return {name: place for name, place in found.items() if place.modules}


def circles(found: Mapping[str, Place]) -> list[list[str]]:
    """
    Return the places that import each other, directly or indirectly.
    """
    reach: dict[str, set[str]] = {}
    for name in found:
        seen: set[str] = set()
        todo = [name]
        while todo:
            for used in found[todo.pop()].uses - seen:
                seen.add(used)
                todo.append(used)
        reach[name] = seen
    together = {tuple(sorted(other for other in reach[name] if name in reach[other])) for name in found}
    return [list(names) for names in sorted(together) if names]


def floors(found: Mapping[str, Place]) -> list[list[Place]]:
    """
    Return the layers from the bottom up: each place is one above the highest of those that it uses.

    @raise ValueError: places import each other.
    """
    wrong = circles(found)
    if wrong:
        raise ValueError("packages import each other: " + "; ".join([", ".join(names) for names in wrong]))
    height: dict[str, int] = {}

    def heightOf(name: str) -> int:
        if name not in height:
            height[name] = max([heightOf(used) + 1 for used in found[name].uses], default=0)
        return height[name]

    made: defaultdict[int, list[Place]] = defaultdict(list)
    for name in sorted(found):
        made[heightOf(name)].append(found[name])
    return [made[number] for number in range(len(made))]


def svg(stack: list[list[Place]]) -> str:
    """
    Return the picture: one row for each layer, the highest first. The tooltip of a box lists its imports.
    """
    boxes: list[str] = []
    y = _GAP
    for number, floor in reversed(list(enumerate(stack))):
        x = 40
        height = _LINE + _GAP
        row = y
        for place in floor:
            width = 7.6 * len(place.name) + 2 * _GAP
            if x + width > _WIDTH - _GAP:
                x = 40
                row += height + _GAP
            room = place.name.split(".")[0]
            uses = ", ".join(sorted(place.uses)) or "nothing"
            boxes.append(
                f'<g class="{escape(room)}"><title>{escape(place.name)} uses {escape(uses)}</title>'
                f'<rect x="{x:.0f}" y="{row}" width="{width:.0f}" height="{height}" rx="4"/>'
                f'<text x="{x + _GAP:.0f}" y="{row + _LINE + 2}">{escape(place.name)}</text></g>'
            )
            x += int(width) + _GAP
        boxes.append(f'<text x="{_GAP}" y="{(y + row + height) // 2 + 5}" class="floor">{number}</text>')
        y = row + height + _GAP
        boxes.append(f'<line x1="0" y1="{y}" x2="{_WIDTH}" y2="{y}"/>')
        y += _GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="structure" role="img" aria-label="{_LABEL}" '
        f'viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}" height="{y}">'
    )
    return "\n".join([head, f"<style>{_STYLE}</style>", *boxes, "</svg>", ""])


def main() -> int:
    """
    Draw the picture and return the exit code.
    """
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    try:
        drawn = svg(floors(places()))
    except ValueError as error:
        sys.stderr.write(f"structure: {error}\n")
        return 1
    target.write_text(drawn, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
