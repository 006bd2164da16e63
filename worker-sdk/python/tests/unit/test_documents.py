"""What the pages show is what there is."""

from __future__ import annotations

import re
import unittest
from pathlib import Path
from typing import Any

LIBRARY = Path(__file__).parents[2]


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


class Documents(unittest.TestCase):
    def test_the_worker_of_the_readme_passes_its_test(self) -> None:
        worker, test = blocks(LIBRARY / "README.md")
        names: dict[str, Any] = {"__name__": "readme"}
        exec(compile(worker + test, "README.md", "exec", dont_inherit=True), names)
        names["test_export"]()

    def test_the_documentation_shows_the_bare_worker_that_is_tested(self) -> None:
        bare = (LIBRARY / "examples/bare_worker.py").read_text()
        self.assertIn(bare, blocks(LIBRARY.parents[1] / "docs/workers.md"))
