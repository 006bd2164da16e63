"""A workflow that waits for a while, and greets."""

import asyncio
from dataclasses import dataclass

from dacapo import activity, workflow


@dataclass
class Guest:
    name: str
    patience_secs: int = 5


@activity
def greeting(name: str) -> str:
    """Touches the world, and is tried again when it fails."""
    return f"Hello, {name}!"


@workflow
async def greet(guest: Guest) -> str:
    """Goes on where it was if the server dies while it sleeps."""
    await asyncio.sleep(guest.patience_secs)
    return await greeting(guest.name)
