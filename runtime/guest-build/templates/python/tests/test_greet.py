"""The workflow on a real server, which builds this project first."""

import unittest
from pathlib import Path

from dacapo.testing import TestServer

from greeter import greeting


class Greet(unittest.TestCase):
    def test_an_activity_is_a_function(self) -> None:
        self.assertEqual(greeting.run("Ada"), "Hello, Ada!")

    def test_a_guest_is_greeted_after_a_while(self) -> None:
        with TestServer(Path(__file__).parents[1]) as server:
            run = server.start("greet", {"name": "Ada", "patience_secs": 1})
            self.assertEqual(run.result(), "Hello, Ada!")


if __name__ == "__main__":
    unittest.main()
