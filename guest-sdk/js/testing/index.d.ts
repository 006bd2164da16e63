/** Workflows in tests, on a real server. */

export class TestServer {
  /** Its address. */
  readonly url: string;
  /**
   * Builds the project in a folder, starts a server with it, and waits until its workflows can be
   * started. `DACAPO_BINARY` names the program, if it is not on the path.
   */
  static start(project?: string, options?: { args?: string[] }): Promise<TestServer>;
  /** Starts a run. `request` has more fields of the request, such as `workflow_id`. */
  start(workflow: string, input?: unknown, request?: Record<string, unknown>): Promise<TestRun>;
  /** Sends a request to the server, and returns the JSON of the answer, if it is a success. */
  request(method: string, target: string, body?: unknown): Promise<any>;
  /** Ends the server. */
  stop(): Promise<void>;
}

export class TestRun {
  readonly workflowId: string;
  readonly runId: string;
  /** Waits for its end, and returns its result. Throws if it ends in any other way. */
  result(): Promise<any>;
  describe(): Promise<any>;
  history(): Promise<any[]>;
  signal(name: string, input?: unknown): Promise<any>;
  query(name: string, input?: unknown): Promise<any>;
  update(name: string, input?: unknown): Promise<any>;
  cancel(reason?: string): Promise<any>;
}
