"""Says how many of an item will be sold, by the line that fits best what was sold before."""

import statistics
from dataclasses import dataclass

from dacapo_worker import ApplicationError, Worker

worker = Worker(task_queue="forecasts")


@dataclass
class Forecast:
    expected: float


@worker.activity
def forecast(sold: list[int]) -> Forecast:
    if len(sold) < 2:
        text = "a forecast needs two weeks at least"
        raise ApplicationError(text, type="TooFewWeeks", non_retryable=True)
    line = statistics.linear_regression(range(len(sold)), sold)
    return Forecast(expected=max(0.0, line.slope * len(sold) + line.intercept))


worker.run()
