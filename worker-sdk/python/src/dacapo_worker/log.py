"""Lines of the log with their fields, for programs that have no formatter of their own."""

from __future__ import annotations

import json
import logging

#: What every record has; the rest are fields.
_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class FieldFormatter(logging.Formatter):
    """Writes what was given as ``extra`` after the message, as ``name=value``."""

    def __init__(self, fmt: str = "%(asctime)s %(levelname)s %(name)s: %(message)s") -> None:
        super().__init__(fmt)

    def formatMessage(self, record: logging.LogRecord) -> str:
        fields = {name: value for name, value in vars(record).items() if name not in _KNOWN}
        written = (f" {name}={json.dumps(value, default=str)}" for name, value in fields.items())
        return super().formatMessage(record) + "".join(written)


def log_somewhere(logger: logging.Logger) -> None:
    """Where nobody has set up logging, lines from ``info`` on go to standard error."""
    if logger.hasHandlers():
        return
    handler = logging.StreamHandler()
    handler.setFormatter(FieldFormatter())
    logger.addHandler(handler)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
