/** What must not compile. `tsc` fails if one of these lines has no error. */

import { test } from "node:test";

import { activity, activityType, signal, workflow, type ChildHandle } from "../src/index.js";

const charge = activity("charge", async (order: { cents: number }) => `r-${order.cents}`);
const ping = activity("ping", () => 1);

export const order = workflow("order", async (cents: number) => {
  const receipt: string = await charge({ cents });
  // @ts-expect-error a field of another type
  await charge({ cents: "7" });
  // @ts-expect-error an argument is missing
  await charge();
  // @ts-expect-error the result is no number
  const wrong: number = await charge({ cents });
  // @ts-expect-error it takes nothing
  await ping(1);
  // @ts-expect-error no such option
  await charge.with({ timeout: 1 })({ cents });
  return [receipt, wrong, await ping()] as const;
});

export const parent = workflow("parent", async () => {
  const child: ChildHandle<readonly [string, number, number]> = await order.start(1);
  // @ts-expect-error the workflow takes a number
  await order("1");
  // @ts-expect-error the signal says a text
  await child.signal(signal<string>("note"), 5);
  const remote = activityType<{ to: string }, { id: string }>("mail", { taskQueue: "emails" });
  // @ts-expect-error a field is missing
  await remote({});
  return (await child.result())[0];
});

test("wrong calls do not compile", () => undefined);
