"""
Build and check the files of a release.

    python .ci/dist.py [--no-isolation] [FOLDER]

FOLDER (by default dist) gets a source distribution and a wheel. The wheel is built from the source distribution, and both have manual pages
and the completion of shells. Their README links to the pages of the documentation, where that of the checkout links to files. The same
checkout gives the same octets: times are C{SOURCE_DATE_EPOCH}, by default the time of the commit.
C{--no-isolation} builds with the installed tools, without a network.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from configparser import ConfigParser
from fnmatch import fnmatch
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

ROOT: Final = Path(__file__).parent.parent

#: Files of the wheel that are not modules, and what has to be in it.
REQUIRED: Final = (
    "twisted/plugins/twisted_ext_dropin.py",
    "twisted_ext/py.typed",
    "twisted_ext/web/status/page.html",
    "/share/man/man1/txdns.1",
    "/share/man/man1/txdns-query.1",
    "/share/man/man5/txdns.toml.5",
    "/share/man/man8/twistd-txdns.8",
    "/share/bash-completion/completions/txdns",
    "/share/bash-completion/completions/twistd",
    "/share/zsh/site-functions/_txdns",
    "/share/zsh/site-functions/_twistd",
    "/share/fish/vendor_completions.d/txdns.fish",
    "/share/fish/vendor_completions.d/twistd.fish",
    ".dist-info/licenses/LICENSE",
    *[f"twisted_ext/apps/cli/completion/scripts/{program}.{shell}" for program in ("txdns", "twistd") for shell in ("bash", "zsh", "fish")],
)

#: Where the completion of shells is, besides in the share folder: there C{txdns completion} finds it.
SCRIPTS: Final = "twisted_ext/apps/cli/completion/scripts/"

#: The target of a link at the end of the README.
LINK: Final = re.compile(r"^(\.\. _\w+: )(?!https?:)(\S+)$", re.MULTILINE)


def run(*command: str, folder: Path, environment: dict[str, str]) -> None:
    """
    Run a command; end this program, with its output, if it fails.
    """
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout}\ndist: {' '.join(command)} failed")


def sources() -> Iterator[str]:
    """
    Yield the paths of the project's files: those that git knows, or outside a repository those that C{.gitignore} does not list.
    """
    if (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        yield from [path for path in listed.split("\0") if path and (ROOT / path).exists()]
        return
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split("\n") if line and not line.startswith("#")]
    for path in sorted(ROOT.rglob("*")):
        relative = path.relative_to(ROOT)
        # A pattern that begins with a slash is a path from here, another one a name anywhere.
        names = [*[f"/{each}" for each in (relative, *relative.parents)], *relative.parts]
        if path.is_file() and not any(fnmatch(name, pattern) for name in names for pattern in ignored):
            yield str(relative)


def documentation() -> str:
    """
    Return where the pages of the newest release are.
    """
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg", "utf-8")
    urls: dict[str, str] = dict(re.findall(r"^(\w.*?) = (\S+)$", settings["metadata"]["project_urls"], re.MULTILINE))
    return urls["Documentation"].rstrip("/") + "/en/stable"


def linked(readme: str, site: str) -> str:
    """
    Return the README with links to the pages of the documentation, for readers who have no checkout.

    @param site: where these pages are.
    """
    # Files beside the README have a page that includes them.
    including = {
        found[1]: str(path.relative_to(ROOT))
        for path in (ROOT / "docs" / "project").glob("*.rst")
        if (found := re.search(r"^\.\. include:: \.\./\.\./(\S+)$", path.read_text("utf-8"), re.MULTILINE))
    }

    def page(link: re.Match[str]) -> str:
        path = including.get(link[2], link[2])
        if not path.startswith("docs/") or not path.endswith(".rst") or not (ROOT / path).is_file():
            sys.exit(f"dist: README.rst links to {link[2]}, which is not a page of the documentation")
        return f"{link[1]}{site}/{path.removeprefix('docs/').removesuffix('.rst')}.html"

    return LINK.sub(page, readme)


def time() -> int:
    """
    Return the time of the release.
    """
    if os.environ.get("SOURCE_DATE_EPOCH"):
        return int(os.environ["SOURCE_DATE_EPOCH"])
    if (ROOT / ".git").exists():
        return int(subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    return int((ROOT / "setup.cfg").stat().st_mtime)


def repack(archive: Path, epoch: int) -> None:
    """
    Write a source distribution again, with members in order and without times, owners and permissions of this machine.
    """
    out = BytesIO()
    with tarfile.open(archive) as old, tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old.getmembers(), key=lambda each: each.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname, member.pax_headers = epoch, 0, 0, "", "", {}
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    archive.write_bytes(gzip.compress(out.getvalue(), 6, mtime=epoch))


def unpack(archive: Path, folder: Path) -> Iterator[str]:
    """
    Unpack a source distribution, and yield the paths below its folder. The first versions of Python 3.11 cannot do that safely.
    """
    with tarfile.open(archive) as members:
        for member in members:
            content = members.extractfile(member) if member.isfile() else None
            if content is not None:
                path = member.name.partition("/")[2]
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content.read())
                yield path


def wrongIn(wheel: Iterable[str], sdist: Iterable[str], files: Iterable[str]) -> list[str]:
    """
    Return what is wrong with the contents of a release.

    @param wheel: the names of the wheel's members.
    @param sdist: the paths in the source distribution, below its folder.
    @param files: the project's files.
    """
    names, packed, expected = set(wheel), set(sdist), set(files)
    wrong = [f"the wheel lacks {path}" for path in REQUIRED if not any(name.endswith(path) for name in names)]
    # Modules and data of the package, whichever setup.cfg forgot. Sources in C are for builds only.
    packaged = [path for path in sorted(expected) if path.startswith("twisted_ext/") and not path.endswith((".c", ".h"))]
    wrong += [f"the wheel lacks {path}" for path in packaged if path not in names]
    known = ("twisted_ext/", "twisted/plugins/twisted_ext_dropin.py", "twisted_ext-")
    wrong += [f"{name} does not belong into the wheel" for name in sorted(names) if not name.startswith(known)]
    wrong += [f"the source distribution lacks {path}" for path in sorted(expected - packed)]
    made = ("share/", SCRIPTS, "twisted_ext.egg-info/", "PKG-INFO")
    wrong += [f"{path} does not belong into the source distribution" for path in sorted(packed - expected) if not path.startswith(made)]
    return wrong


def buildSource(folder: Path, options: list[str], environment: dict[str, str]) -> Path:
    """
    Build the source distribution.

    @param folder: an existing folder, for it and for what it is made of.
    @param options: for C{python -m build}.
    @param environment: that of L{reproducible}.
    """
    checkout, made = folder / "checkout", folder / "made"
    for path in sources():
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, checkout / path)
    readme = checkout / "README.rst"
    readme.write_text(linked(readme.read_text("utf-8"), documentation()), "utf-8")
    run(sys.executable, "docs/share.py", "share", folder=checkout, environment={**environment, "PYTHONPATH": str(checkout)})
    (checkout / SCRIPTS).mkdir()
    for program in ("txdns", "twistd"):
        for shell, path in (("bash", f"bash-completion/completions/{program}"), ("zsh", f"zsh/site-functions/_{program}")):
            shutil.copy(checkout / "share" / path, checkout / SCRIPTS / f"{program}.{shell}")
        shutil.copy(checkout / f"share/fish/vendor_completions.d/{program}.fish", checkout / SCRIPTS)
    command = (sys.executable, "-m", "build", *options, "--outdir", str(made), "--sdist")
    run(*command, folder=checkout, environment=environment)
    (sdist,) = made.glob("*.tar.gz")
    repack(sdist, int(environment["SOURCE_DATE_EPOCH"]))
    return sdist


def reproducible() -> dict[str, str]:
    """
    Return the environment in which the same checkout gives the same octets.
    """
    return {**os.environ, "SOURCE_DATE_EPOCH": str(time()), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}


def build(target: Path, options: list[str]) -> list[Path]:
    """
    Build and check a release.

    @param target: an existing folder.
    @param options: for C{python -m build}.
    """
    os.umask(0o022)
    environment = reproducible()
    with TemporaryDirectory(prefix="txdns-dist-") as name:
        folder = Path(name)
        sdist = buildSource(folder, options, environment)
        unpacked = folder / "unpacked"
        paths = list(unpack(sdist, unpacked))
        command = (sys.executable, "-m", "build", *options, "--outdir", str(sdist.parent), "--wheel")
        run(*command, folder=unpacked, environment=environment)
        (wheel,) = sdist.parent.glob("*.whl")
        with zipfile.ZipFile(wheel) as contents:
            wrong = wrongIn(contents.namelist(), paths, sources())
        if wrong:
            sys.exit("\n".join([f"dist: {line}" for line in wrong]))
        run(sys.executable, "-m", "twine", "check", "--strict", str(sdist), str(wheel), folder=folder, environment=environment)
        return [Path(shutil.copy(each, target)) for each in (sdist, wheel)]


def main(words: list[str]) -> None:
    options = [word for word in words if word.startswith("--")]
    target = Path(next((word for word in words if not word.startswith("--")), ROOT / "dist")).absolute()
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path in build(target, options):
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
