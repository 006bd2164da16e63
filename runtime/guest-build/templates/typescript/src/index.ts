import { activity, sleep, workflow } from "@dacapo/workflow";

interface Guest {
  name: string;
  patience_secs: number;
}

/** Does something in the real world, and is tried again when it fails. */
export const greeting = activity("greeting", async (name: string) => `Hello, ${name}!`);

/** Says what happens in which order, and goes on where it was after every crash. */
export const greet = workflow("greet", async (guest: Guest) => {
  const text = await greeting(guest.name);
  await sleep({ seconds: guest.patience_secs });
  return text;
});
