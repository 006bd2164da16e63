"""What a workflow says about its run: a memo for people, and search attributes, with types."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from .child import memo_texts
from .payload import decode
from .run import current, reading


class Text(str):
    """A search attribute that is looked into; a plain ``str`` is compared whole."""


#: A plain ``str`` is a keyword; a point in time has a time zone.
SearchValue = bool | int | float | str | Text | datetime.datetime | list[str]


def memo(name: str, hint: Any = Any) -> Any:
    """The value of the memo with this name, or None."""
    text = current("the memo").host.memo().get(name)
    if text is None:
        return None
    with reading("InvalidValue", f"memo `{name}`"):
        return decode(text.encode(), hint, name)


def upsert_memo(values: Mapping[str, Any]) -> None:
    """Sets values of the memo, which has room for 32 KiB. None is stored as null's absence: it
    removes the value."""
    if values:
        current("the memo").host.upsert_memo(memo_texts(values))


def remove_memo(*names: str) -> None:
    """Removes values of the memo."""
    upsert_memo(dict.fromkeys(names))


def search_attributes() -> dict[str, SearchValue]:
    """The search attributes of this run: those it was started with, as it has changed them."""
    return dict(current("search attributes").host.search_attributes())


def upsert_search_attributes(attributes: Mapping[str, SearchValue]) -> None:
    """Sets search attributes: at most 100 in a run, 2 KiB each and 40 KiB together::

    upsert_search_attributes({"customer": "c-17", "note": Text("a long story")})
    """
    if attributes:
        current("search attributes").host.upsert_search_attributes(attributes)


def remove_search_attributes(*names: str | Iterable[str]) -> None:
    """Removes search attributes."""
    flat = [one for name in names for one in ([name] if isinstance(name, str) else name)]
    if flat:
        current("search attributes").host.upsert_search_attributes(dict.fromkeys(flat))
