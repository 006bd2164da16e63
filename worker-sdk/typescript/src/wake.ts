/** Waiting for a time or for news, whichever comes first. */

const TIMER_MS_MAX = 2 ** 31 - 1;

/** Has one waiter at most. News that come while nobody waits are kept. */
export class Wake {
  #news = false;
  #resolve: (() => void) | undefined;

  wake(): void {
    this.#news = true;
    this.#resolve?.();
  }

  /** Returns at once if there were news since the last wait. */
  async wait(ms = Infinity): Promise<void> {
    if (!this.#news && ms > 0) {
      await new Promise<void>((resolve) => {
        const bounded = Math.min(ms, TIMER_MS_MAX);
        const timer = ms === Infinity ? undefined : setTimeout(resolve, bounded);
        this.#resolve = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#resolve = undefined;
    }
    this.#news = false;
  }
}
