"""A worker whose process is killed, stopped and frozen by tests."""

from __future__ import annotations

import asyncio
import logging
import sys
import time

from dacapo_worker import Worker, activity_context

worker = Worker(
    task_queue=sys.argv[1], lease=2, shutdown_grace=float(sys.argv[2]), cancel_grace=0.5
)


def say(text: str) -> None:
    # In one piece: several threads have something to say.
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class SayingHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


logging.basicConfig(level=logging.INFO, handlers=[SayingHandler()])


@worker.activity
async def wait(seconds: float) -> str:
    say("began")
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        reason = activity_context().cancel_reason
        say(f"cancelled: {reason.value if reason else None}")
        raise
    say("ended")
    return "done"


@worker.activity
def stubborn() -> None:
    say("began")
    time.sleep(3600)


worker.run()
