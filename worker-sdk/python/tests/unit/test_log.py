from __future__ import annotations

import logging
import unittest

from dacapo_worker import FieldFormatter
from dacapo_worker.context import AttemptLogger


class Lines(unittest.TestCase):
    def test_fields_follow_the_message_and_can_t_break_the_line(self) -> None:
        written: list[str] = []

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                written.append(self.format(record))

        logger = logging.Logger("a")
        handler = Handler()
        handler.setFormatter(FieldFormatter("%(levelname)s %(message)s"))
        logger.addHandler(handler)
        adapted = AttemptLogger(logger, {"workflow_id": "order\n17", "attempt": 2})
        adapted.info("it began", extra={"rows": 3})
        self.assertEqual(written, ['INFO it began workflow_id="order\\n17" attempt=2 rows=3'])
