"""Makes a component of a Python project. Run by `dacapo build` with the project's Python.

Its one argument is a JSON object: `project`, the folder; `work`, a folder of ours; `entry`, a
folder in that for the module that componentize-py starts from; `wit`, the folder of the contract;
`result`, the file in which it says what it has made.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path

WORLD = "dacapo:python/component"

#: The module that is made into a component: it imports the project's, and has what is exported.
ENTRY = '''"""Made by `dacapo build`."""

from dacapo.component.build import load

load({modules!r}, {preload!r})

from dacapo.component.exports import Activity, AfterEnd, Definitions, Workflow  # noqa: E402

__all__ = ["Activity", "AfterEnd", "Definitions", "Workflow"]
'''


class Unfit(Exception):
    """The project is not what can be built."""


def main() -> None:
    job = json.loads(sys.argv[1])
    project, work = Path(job["project"]), Path(job["work"])
    manifest = read_manifest(project / "pyproject.toml")
    name = manifest["name"]
    sources = source_folder(project)
    modules = manifest["modules"] or [find_module(sources, name)]
    entry, wit = Path(job["entry"]), Path(job["wit"])
    (entry / "dacapo_component.py").write_text(
        ENTRY.format(modules=modules, preload=manifest["preload"])
    )
    path = [entry, sources, *library_folders(project)]
    component = work / f"{name}.wasm"
    key = content_key([entry, wit, *own_folders(path[1:])])
    stored = work / f"{name}.key"
    if not (component.is_file() and stored.is_file() and stored.read_text() == key):
        stored.unlink(missing_ok=True)
        say(f"making a component of {', '.join(modules)}; this takes some seconds")
        componentize(path, wit, component)
        stored.write_text(key)
    result = {"package": name, "component": str(component)}
    Path(job["result"]).write_text(json.dumps(result))


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# What the project says.


def read_manifest(file: Path) -> dict:
    try:
        manifest = tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Unfit(f"{file} can't be read: {error}") from None
    name = manifest.get("project", {}).get("name")
    if not isinstance(name, str):
        raise Unfit(f'{file} has no name: add [project] with name = "..."')
    ours = manifest.get("tool", {}).get("dacapo", {})
    for unknown in sorted(ours.keys() - {"modules", "preload"}):
        raise Unfit(f"{file}: [tool.dacapo] has no `{unknown}`; it has `modules` and `preload`")
    for key in ("modules", "preload"):
        names = ours.get(key, [])
        if not (isinstance(names, list) and all(isinstance(one, str) for one in names)):
            raise Unfit(f"{file}: `{key}` of [tool.dacapo] is a list of names of modules")
    modules, preload = ours.get("modules", []), ours.get("preload", [])
    return {"name": name, "modules": modules, "preload": preload}


def source_folder(project: Path) -> Path:
    return project / "src" if (project / "src").is_dir() else project


def find_module(sources: Path, name: str) -> str:
    """The module that is named as the project is, or the only one."""
    named = re.sub(r"[-.]+", "_", name)
    found = [it.stem for it in sources.glob("*.py")]
    found += [it.parent.name for it in sources.glob("*/__init__.py")]
    found = sorted(set(found) - {"setup", "conftest", "tests", "test"})
    if named in found:
        return named
    if len(found) == 1:
        return found[0]
    problem = "there is none" if not found else f"there are {', '.join(found)}"
    raise Unfit(
        f"it is not clear which module of {sources} has the workflows: {problem}; name it in "
        'pyproject.toml: [tool.dacapo] modules = ["..."]'
    )


# What it imports.


def library_folders(project: Path) -> list[Path]:
    """Where the project's Python looks for modules that are not its own."""
    own = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    folders = []
    for text in sys.path[1:]:
        folder = Path(text)
        known = text in own or folder.name == "lib-dynload"
        if folder.is_dir() and not known and folder != project:
            folders.append(folder)
    spec = importlib.util.find_spec("dacapo")
    if spec is not None and spec.origin is not None:
        # A package that is installed to be edited may be found in other ways than by its folder.
        folders.append(Path(spec.origin).parent.parent)
    return list(dict.fromkeys(folders))


def own_folders(folders: list[Path]) -> list[Path]:
    """Those whose files may change: packages that were installed are known by their versions."""
    installed = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    return [folder for folder in folders if str(folder) not in installed]


def content_key(folders: list[Path]) -> str:
    """Another one if the component would be another."""
    key = hashlib.sha256(repr(sys.version_info).encode())
    for one in sorted(f"{it.name} {it.version}" for it in importlib.metadata.distributions()):
        key.update(f"{one}\n".encode())
    for file in [Path(__file__), *(file for folder in folders for file in files_of(folder))]:
        content = file.read_bytes()
        key.update(f"{file} {len(content)}\n".encode())
        key.update(content)
    return key.hexdigest()


def files_of(folder: Path) -> Iterator[Path]:
    """Those of which something may end up in the component, in the same order each time."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(it for it in folders if not it.startswith((".", "__pycache__")))
        for file in sorted(files):
            if file.endswith((".py", ".wit", ".so")):
                yield Path(parent, file)


# How it is made.


def componentize(path: list[Path], wit: Path, component: Path) -> None:
    unfinished = component.with_suffix(".unfinished")
    arguments = ["-q", "-d", str(wit), "-w", WORLD, "componentize", "dacapo_component"]
    arguments += ["-o", str(unfinished)]
    for folder in path:
        arguments += ["-p", str(folder)]
    run = "import sys, componentize_py; sys.argv[0] = 'componentize-py'; componentize_py.script()"
    environment = {**os.environ, "RUST_BACKTRACE": "0"}
    made = subprocess.run(
        [sys.executable, "-c", run, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    if made.returncode != 0:
        raise Unfit(readable(made.stdout, path))
    unfinished.replace(component)


#: Calls that say nothing about the project: ours, and those of importlib.
NOT_TOLD = re.compile(r'  File "(/python/|<frozen|.*/dacapo_component\.py|.*/dacapo/)')

NATIVE = (
    "\nA component has no libraries that are compiled for this machine: a package with parts in C or "
    "Rust needs them compiled for WASI. What needs the package may be an activity of a worker."
)


def readable(said: str, path: list[Path]) -> str:
    """What went wrong in the user's code, without the traces of the tools."""
    _, _, told = said.partition("AssertionError: ")
    told = told or said
    for end in ("\n\nCaused by:", "\n\nStack backtrace:"):
        told = told.split(end)[0]
    for index, folder in enumerate(path):
        told = told.replace(f'"/{index}/', f'"{folder}/')
    lines: list[str] = []
    shown = True
    for line in told.strip().splitlines():
        if line.startswith("  File "):
            shown = NOT_TOLD.match(line) is None
        elif not line.startswith("    "):
            shown = True
        if shown and not re.fullmatch(r"\s*[~^]+\s*", line):
            lines.append(line)
    is_native = re.search(r"ImportError: .*unknown location|No module named '\S*\._", lines[-1])
    return "\n".join(lines) + (NATIVE if is_native else "")


if __name__ == "__main__":
    try:
        main()
    except Unfit as problem:
        say(f"error: {problem}")
        sys.exit(1)
