"""What is done while a component is built, before the user's modules are imported and after.

A component is a snapshot of an interpreter that has imported everything: there are no files later.
"""

from __future__ import annotations

import importlib
import logging
import sys
from typing import Any

#: Imported by name, or late, by what is imported: later there is nothing to import them from.
PRELOADED = (
    "asyncio", "asyncio.taskgroups", "asyncio.timeouts", "base64", "calendar", "collections.abc",
    "contextlib", "copy", "csv", "datetime", "decimal", "encodings.ascii", "encodings.idna",
    "encodings.latin_1", "encodings.utf_8", "enum", "fractions", "functools", "hashlib", "heapq",
    "hmac", "html", "io", "itertools", "json", "linecache", "locale", "logging", "math",
    "operator", "pprint", "queue", "random", "re", "secrets", "statistics", "string", "struct",
    "textwrap", "time", "traceback", "types", "typing", "unicodedata", "urllib.parse", "uuid",
    "weakref", "zoneinfo", "_strptime",
)  # fmt: skip


def before() -> None:
    """Makes the world what it is in a component, for the modules that are imported next."""
    from .. import refuse, run

    run.install_sleep()
    refuse.install()
    for name in PRELOADED:
        try:
            importlib.import_module(name)
        except ImportError:
            # Not in every build of Python: whoever needs it hears of it at once.
            continue


def after() -> None:
    """Once everything is imported."""
    if not logging.getLogger().handlers:
        logging.basicConfig(
            level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr
        )
    sys.meta_path.append(_Late())


class _Late:
    """The last that is asked for a module: says why there is none."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        raise ModuleNotFoundError(
            f"module {name!r} is not in this component: only what is imported while it is built "
            "is there. Import it at the top of a module, or list it in pyproject.toml: "
            f'[tool.dacapo] preload = ["{name}"]',
            name=name,
        )
