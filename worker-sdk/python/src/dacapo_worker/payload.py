"""Python values to JSON text, and what tasks carry to Python values."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from typing import Any

from .convert import convert
from .errors import PayloadError


def encode(value: Any) -> str:
    """JSON text. NaN and infinities are refused: JSON has none."""
    try:
        text = json.dumps(
            value, default=_simpler, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise PayloadError(f"can't be written as JSON: {error}") from error
    return text


def result_field(value: Any) -> str:
    """The field of a report that holds a result. Bytes are not JSON, and kept as they are."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f'"result_base64":"{base64.b64encode(value).decode()}"'
    return f'"result":{encode(value)}'


def decode_input(task: dict[str, Any], hint: Any) -> Any:
    """The input of a task as its type hint says."""
    encoded = task.get("input_base64")
    if encoded is None:
        if hint is bytes:
            # What asks for bytes gets them also if they happen to be JSON.
            return encode(task.get("input")).encode()
        return convert(task.get("input"), hint)
    try:
        content = base64.b64decode(encoded, validate=True)
    except (TypeError, binascii.Error) as error:
        raise PayloadError("the input is no base64") from error
    if hint is bytes or hint is Any:
        return content
    raise PayloadError("the input is bytes that are no JSON: take a parameter of type bytes")


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
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} has no form in JSON")
