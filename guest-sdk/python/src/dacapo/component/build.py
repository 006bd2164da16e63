"""Imported by the module that ``dacapo build`` makes, and by nothing else."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from . import prepare


def load(modules: Sequence[str], preload: Sequence[str] = ()) -> None:
    """Imports the modules of the project, in a world that is what it is in a component."""
    prepare.before()
    for name in (*preload, *modules):
        importlib.import_module(name)
    prepare.after()
