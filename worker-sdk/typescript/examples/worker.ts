import { setTimeout } from "node:timers/promises";

import { activityContext, ApplicationError, Worker } from "@dacapo/worker";

interface Order {
  id: string;
  cents: number;
}

async function charge(order: Order): Promise<{ number: string }> {
  if (order.cents > 100_000) {
    throw new ApplicationError("too much", { type: "CardDeclined", nonRetryable: true });
  }
  const { info, signal } = activityContext();
  await setTimeout(100, undefined, { signal });
  return { number: `receipt-${info.idempotencyKey}` }; // the same in every attempt
}

async function exportOrders(count: number): Promise<number> {
  const { heartbeat, signal } = activityContext();
  for (let row = 0; row < count; row += 1) {
    signal.throwIfAborted();
    heartbeat(row);
  }
  return count;
}

const worker = new Worker({
  url: "http://127.0.0.1:7233",
  taskQueue: "payments",
  activities: { charge, "export-orders": exportOrders },
});

await worker.run(); // until SIGTERM or Ctrl-C
