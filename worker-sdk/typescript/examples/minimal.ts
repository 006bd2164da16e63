import { activityContext, Worker } from "@dacapo/worker";

interface Order {
  id: string;
  cents: number;
}

async function charge(order: Order): Promise<{ number: string }> {
  const { idempotencyKey } = activityContext().info; // the same in every attempt
  return { number: `receipt-${order.id}-${idempotencyKey}` };
}

await new Worker({ taskQueue: "payments", activities: { charge } }).run();
