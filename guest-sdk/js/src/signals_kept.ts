/** Signals of a run that were delivered and not taken, and who waits for them. */

import type { Payload } from "./payload.js";

export interface Taker {
  place: Error;
  take(input: Payload): void;
}

interface Inbox {
  messages: { nth: number; input: Payload }[];
  takers: Taker[];
  /** How many said something that is not JSON. */
  setAside: number;
  problem: string;
}

export class Signals {
  readonly #inboxes = new Map<string, Inbox>();
  #delivered = 0;

  deliver(name: string, input: Payload): void {
    this.#delivered += 1;
    const inbox = this.inbox(name);
    const taker = inbox.takers.shift();
    if (taker === undefined) inbox.messages.push({ nth: this.#delivered, input });
    else taker.take(input);
  }

  /** The next that nobody has taken. */
  take(name: string): Payload | undefined {
    return this.inbox(name).messages.shift()?.input;
  }

  wait(name: string, taker: Taker): void {
    this.inbox(name).takers.push(taker);
  }

  stopWaiting(name: string, taker: Taker): void {
    const inbox = this.inbox(name);
    inbox.takers = inbox.takers.filter((it) => it !== taker);
  }

  setAside(name: string, problem: string): void {
    const inbox = this.inbox(name);
    inbox.setAside += 1;
    inbox.problem = problem;
  }

  /** The numbers of those that nobody has taken, among all that were delivered. */
  untaken(): number[] {
    return [...this.#inboxes.values()].flatMap((inbox) => inbox.messages.map((it) => it.nth));
  }

  all(): [string, Readonly<Inbox>][] {
    return [...this.#inboxes].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  private inbox(name: string): Inbox {
    let inbox = this.#inboxes.get(name);
    if (inbox === undefined) {
      inbox = { messages: [], takers: [], setAside: 0, problem: "" };
      this.#inboxes.set(name, inbox);
    }
    return inbox;
  }
}
