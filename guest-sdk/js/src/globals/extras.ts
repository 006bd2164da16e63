/** What an engine that lacks it takes from the runtime. The build puts another file in its place. */

const missing = (what: string) => (): never => {
  throw new Error(`the engine has its own ${what}`);
};

export const hostRandomBytes: (length: number) => Uint8Array = missing("random numbers");
export const hostWrite: (stream: "stdout" | "stderr", text: string) => void = missing("console");
