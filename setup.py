"""
Builds the package, which setup.cfg describes. With C{TXDNS_COMPILE=1} in the environment, mypyc compiles the modules listed here into the
wheel, from the same source that runs without it; this takes a C compiler and some minutes. C{TXDNS_OPTIMIZE=1} has the C compiler optimize
less, which takes three fifths of the time. Only wheels are compiled: an editable checkout and a build in place hold no compiled file, which
would hide its source.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from configparser import ConfigParser
from glob import glob

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

#: The modules that are compiled: those that a query, a record of a zone or a reply passes through.
COMPILED = (
    "twisted_ext/aliases.py",
    "twisted_ext/answers.py",
    "twisted_ext/apps/cli/bulk/flow.py",
    "twisted_ext/apps/cli/bulk/input.py",
    "twisted_ext/apps/cli/bulk/output.py",
    "twisted_ext/cache/*.py",
    "twisted_ext/compat/conversion/names.py",
    "twisted_ext/compat/conversion/results.py",
    "twisted_ext/compat/lookups/start.py",
    "twisted_ext/dnssec/*.py",
    "twisted_ext/dnssec/denial/*.py",
    "twisted_ext/dnssec/privatekeys/*.py",
    "twisted_ext/metrics/*.py",
    "twisted_ext/outcomes.py",
    "twisted_ext/packetcache/*.py",
    "twisted_ext/ratecontrol.py",
    "twisted_ext/recursion/*.py",
    "twisted_ext/resolver/ask.py",
    "twisted_ext/resolver/caching/*.py",
    "twisted_ext/resolver/combine/aliasfollower.py",
    "twisted_ext/resolver/combine/chain.py",
    "twisted_ext/resolver/combine/designating.py",
    "twisted_ext/resolver/combine/replaceable.py",
    "twisted_ext/resolver/forward/*.py",
    "twisted_ext/resolver/local/hosts.py",
    "twisted_ext/resolver/local/specialnames.py",
    "twisted_ext/resolver/lookup/domainlimit.py",
    "twisted_ext/resolver/lookup/stream.py",
    "twisted_ext/resolver/policy/dns64.py",
    "twisted_ext/resolver/policy/hooks/called.py",
    "twisted_ext/resolver/policy/hooks/telling.py",
    "twisted_ext/resolver/sources.py",
    "twisted_ext/server/features/dnstap/gathering.py",
    "twisted_ext/server/features/hooks/admitting.py",
    "twisted_ext/server/features/otlp/watching.py",
    "twisted_ext/server/features/queryhistory/recording.py",
    "twisted_ext/server/features/querylog/log.py",
    "twisted_ext/server/features/views/selectors.py",
    "twisted_ext/server/listeners/*.py",
    "twisted_ext/server/listeners/https/*.py",
    "twisted_ext/server/process/recorders/gathering.py",
    "twisted_ext/server/reply/*.py",
    "twisted_ext/server/sources/upstreams.py",
    "twisted_ext/server/zones/images/compilers.py",
    "twisted_ext/server/zones/images/imagefiles.py",
    "twisted_ext/server/zones/images/pending.py",
    "twisted_ext/server/zones/images/publish.py",
    "twisted_ext/server/zones/load/loader.py",
    "twisted_ext/server/zones/table/*.py",
    "twisted_ext/transport/*.py",
    "twisted_ext/wire/*.py",
    "twisted_ext/wire/rdata/canonical.py",
    "twisted_ext/wire/rdata/text.py",
    "twisted_ext/zone/*.py",
    "twisted_ext/zone/*/*.py",
)

_STARTED = "it is started as a process by python -m, which only starts source; its work is in compiled modules"
_LIMITS = "limits are looked up where they apply, so that tests can lower them"

#: Modules among these that stay interpreted, each with the reason.
INTERPRETED = {
    "twisted_ext/dnssec/limits.py": _LIMITS,
    "twisted_ext/metrics/limits.py": _LIMITS,
    "twisted_ext/recursion/limits.py": _LIMITS,
    "twisted_ext/server/listeners/https/serving.py": "its class and that of TLS are bases of one, and compiled classes have one base",
    "twisted_ext/server/listeners/offered.py": "it runs once, when a server starts",
    "twisted_ext/server/listeners/sockets.py": "it runs once, when a server starts",
    "twisted_ext/server/listeners/unixport.py": "its class extends socket.socket",
    "twisted_ext/server/reply/opcodes.py": "its protocols are checked at run time",
    "twisted_ext/wire/options.py": "its classes are registered when they are defined, and applications extend them",
    "twisted_ext/wire/tokens.py": "it is only used for text",
    "twisted_ext/zone/build/compaction.py": _STARTED,
    "twisted_ext/zone/build/compiler.py": _STARTED,
    "twisted_ext/zone/transfer/ingestjob.py": _STARTED,
    "twisted_ext/zone/limits.py": _LIMITS,
    "twisted_ext/zone/sign/child.py": _STARTED,
}


def compiledModules() -> list[str]:
    found = {path for pattern in COMPILED for path in glob(pattern)}
    return sorted(found - set(INTERPRETED))


#: The extension written in C. What it does is done in Python where it is missing.
NATIVE = Extension(
    "twisted_ext.native._extension",
    ["twisted_ext/native/_extension.c", "twisted_ext/native/_replies.c"],
    depends=["twisted_ext/native/_native.h"],
    py_limited_api=True,
    optional=True,
)

#: Options with which the compiled modules, which are linked into one file, call each other and Python directly. By default each call looks
#: up a function that another library may replace, which takes a twentieth of the time of a look-up.
DIRECT = ["-fvisibility=hidden", "-fno-plt"]

#: The compiler, and the plugin by which it understands interfaces, in the versions with which this source was tested.
COMPILER = ("mypy[mypyc] == 2.4.1", "mypy-zope == 1.0.17")

#: Where the types of libraries are that have none of their own, or are too large for a build; see pyproject.toml.
STUBS = "typings"

#: What the libraries are imported as whose names say otherwise.
MODULES = {"argon2-cffi": "argon2", "google-re2": "re2", "pyopenssl": "OpenSSL", "pyyaml": "yaml"}


def pathsOf(module: str) -> list[str]:
    """
    Return the files of a module of this package and of the packages that it is in.
    """
    parts = module.split(".")
    names = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return [path for name in names for path in (f"{name}.py", f"{name}/__init__.py") if os.path.exists(path)]


def importedLibraries(paths: Iterable[str]) -> dict[str, str]:
    """
    Return what these files import and the files of this package that they import, wherever it is written: the type checker reads all of it.

    @return: by the name of each library's module, a file that imports it.
    """
    libraries: dict[str, str] = {}
    remaining = list(paths)
    known = set(remaining)
    while remaining:
        path = remaining.pop()
        with open(path, encoding="utf-8") as file:
            nodes = list(ast.walk(ast.parse(file.read())))
        names = [each.name for node in nodes if isinstance(node, ast.Import) for each in node.names]
        for node in nodes:
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                names += [f"{node.module}.{each.name}" for each in node.names]
        for name in names:
            top = name.partition(".")[0]
            if top == "twisted_ext":
                remaining += [each for each in pathsOf(name) if each not in known]
                known.update(remaining)
            elif top not in sys.stdlib_module_names and not os.path.exists(f"{STUBS}/{top}/__init__.pyi"):
                libraries.setdefault(top, path)
    return libraries


def compilerRequirements() -> list[str]:
    """
    Return what has to be installed while modules are compiled: the compiler, and the libraries whose types it reads.
    """
    settings = ConfigParser()
    settings.read("setup.cfg", "utf-8")
    own = settings["metadata"]["name"]
    always, *others = [
        [line for line in text.splitlines() if line and not line.startswith(("#", own))]
        for text in (settings["options"]["install_requires"], *settings["options.extras_require"].values())
    ]
    libraries = importedLibraries(compiledModules())
    asked = {moduleOf(line): line for line in [*[line for lines in others for line in lines], *always]}
    for name, path in libraries.items():
        if name not in asked:
            sys.exit(f"setup.py: {path} imports {name}, which is neither a requirement of setup.cfg, see MODULES, nor in {STUBS}")
    return [*COMPILER, *always, *sorted({asked[name] for name in libraries} - {*always})]


def moduleOf(requirement: str) -> str:
    """
    Return the name of the module that a requirement is for.
    """
    name = re.split(r"[\s\[.<>=;]", requirement)[0].lower()
    return MODULES.get(name, name.replace("-", "_"))


class BuildExtensions(build_ext):
    """
    Compiles extensions, and the C files of each, on all cores. Setuptools does so with extensions only, and one has nearly all files.
    """

    def build_extensions(self) -> None:
        compileInTurn = self.compiler.compile
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self.parallel = cores
        with ThreadPoolExecutor(cores) as pool:

            def compileAll(sources: Sequence[str], **options: object) -> list[str]:
                compiled = pool.map(lambda source: compileInTurn([source], **options), sources)
                return [name for names in compiled for name in names]

            self.compiler.compile = compileAll
            super().build_extensions()


# Builds of metadata and of editable wheels run this file too.
if os.environ.get("TXDNS_COMPILE") != "1":
    setup()
elif "bdist_wheel" not in sys.argv:
    setup(setup_requires=compilerRequirements())
else:
    from mypyc.build import mypycify

    modules = mypycify(
        ["--config-file", "pyproject.toml", *compiledModules()],
        multi_file=True,
        group_name="twisted_ext",
        opt_level=os.environ.get("TXDNS_OPTIMIZE", "3"),
        debug_level="0",
    )
    if sys.platform == "linux":
        for module in modules:
            module.extra_compile_args += DIRECT
    setup(ext_modules=[*modules, NATIVE], cmdclass={"build_ext": BuildExtensions})
