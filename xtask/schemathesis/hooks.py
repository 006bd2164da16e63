"""What schemathesis has to know about this API."""

import schemathesis

# The media type of modules. Nothing that can be made up is one; that is refused.
@schemathesis.serializer("application/wasm")
def wasm(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Nobody waits for what does not happen."""
    query = case.query or {}
    try:
        if 1 < float(query.get("wait", 0)) <= 300:
            query["wait"] = 0.1
    except (TypeError, ValueError):
        pass
    # A poll waits by itself.
    if case.path.endswith("/poll") and isinstance(case.body, dict):
        wait = case.body.get("wait_seconds")
        if wait is None or (isinstance(wait, (int, float)) and 0.1 < wait <= 60):
            case.body["wait_seconds"] = 0.1
    # A live history of an open run does not end.
    if case.path.endswith("/history"):
        query.pop("follow", None)


def has_whole_float(value):
    """JSON Schema takes 1.0 for an integer. This API does not: it keeps numbers as they are written."""
    match value:
        case float():
            return value.is_integer()
        case dict():
            return any(map(has_whole_float, value.values()))
        case list():
            return any(map(has_whole_float, value))
    return False


@schemathesis.check
def shape_is_described(ctx, response, case):
    """A request of the described shape may break a rule (`invalid_argument`), but has no wrong shape.

    Rules such as "one of two fields" or "not longer than so many bytes" are not part of the
    description, so the built-in check, which knows no difference, is left out.
    """
    meta = case.meta
    if meta is None or not meta.generation.mode.is_positive or response.status_code != 400:
        return
    if has_whole_float(case.body):
        return
    body = response.json()
    assert body["code"] != "invalid_request", f"the description allows what can't be read: {body['message']}"
