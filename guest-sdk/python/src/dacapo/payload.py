"""Python values to JSON text and back, with errors that say where something does not fit."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from typing import Any

from .convert import convert
from .errors import PayloadError

#: What is passed on byte for byte.
Bytes = bytes | bytearray | memoryview


def encode(value: Any) -> bytes:
    """JSON text; bytes are kept as they are. NaN and infinities are refused: JSON has none."""
    if value is None:
        return b"null"
    if isinstance(value, Bytes):
        return bytes(value)
    return encode_text(value).encode()


def encode_text(value: Any) -> str:
    try:
        text = json.dumps(
            value, default=_simpler, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise PayloadError(f"can't be written as JSON: {error}") from error
    return text


def decode(payload: bytes, hint: Any = Any, place: str = "input") -> Any:
    """The value as ``hint`` says. No bytes at all is how a caller without an argument says null.

    ``bytes`` as a hint gives what was sent, whatever that is.
    """
    if hint is bytes:
        return payload
    if not payload:
        return convert(None, hint, place)
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise PayloadError(f"{place}: no JSON: {error}") from error
    return convert(value, hint, place)


def _simpler(value: Any) -> Any:
    """What json.dumps does not know, as something that it does."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "parse_obj"):
        return value.dict()  # pydantic's first version
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, (uuid.UUID, decimal.Decimal)):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, Bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} has no form in JSON")
