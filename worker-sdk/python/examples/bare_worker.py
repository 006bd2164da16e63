"""A worker without a library: all of the protocol that one needs, in standard Python."""

import json
import os
import time
import urllib.error
import urllib.request

SERVER = os.environ.get("DACAPO_SERVER", "http://127.0.0.1:7233")
API = f"{SERVER}/api/v1/namespaces/{os.environ.get('DACAPO_NAMESPACE', 'default')}"
HEADERS = {"Content-Type": "application/json"}
if key := os.environ.get("DACAPO_API_KEY"):
    HEADERS["Authorization"] = f"Bearer {key}"
ACTIVITIES = {"charge": lambda order: {"number": f"receipt-{order['id']}"}}


def post(path, body):
    request = urllib.request.Request(API + path, json.dumps(body).encode(), HEADERS)
    while True:
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code != 429:
                raise SystemExit(error.read().decode()) from None
        except OSError:
            pass  # There is no server, or it went away: it may be back soon.
        time.sleep(1)


def outcome(task):
    try:
        activity = ACTIVITIES[task["activity_type"]]
        return {"result": activity(task["input"])}
    except Exception as error:
        return {"failure": {"type": type(error).__name__, "message": str(error)}}


poll = {"identity": f"bare-{os.getpid()}", "activity_types": [*ACTIVITIES], "max_tasks": 1}
while True:
    tasks = post("/task-queues/payments/poll", {**poll, "lease_seconds": 60})["tasks"]
    reports = [{"token": task["token"], **outcome(task)} for task in tasks]
    while reports:  # A report may be repeated until it is answered.
        results = post("/activities/reports", {"reports": reports})["results"]
        pairs = zip(reports, results)
        reports = [one for one, it in pairs if not it["recorded"] and it["error"]["retryable"]]
