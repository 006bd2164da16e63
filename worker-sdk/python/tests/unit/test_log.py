from __future__ import annotations

import logging
import unittest

from dacapo_worker import FieldFormatter
from dacapo_worker.context import AttemptLogger
from dacapo_worker.log import log_somewhere


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


class Somewhere(unittest.TestCase):
    def test_where_logging_is_not_set_up_lines_from_info_on_are_shown(self) -> None:
        logger = logging.Logger("b")
        log_somewhere(logger)
        log_somewhere(logger)
        (handler,) = logger.handlers
        self.assertIsInstance(handler.formatter, FieldFormatter)
        self.assertTrue(logger.isEnabledFor(logging.INFO))

    def test_what_a_program_has_set_up_is_left_alone(self) -> None:
        logger = logging.Logger("c", logging.ERROR)
        handler = logging.NullHandler()
        logger.addHandler(handler)
        log_somewhere(logger)
        self.assertEqual(logger.handlers, [handler])
        self.assertFalse(logger.isEnabledFor(logging.INFO))
