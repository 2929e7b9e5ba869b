// A connector whose work outlives worker and coordinator, and begins once under a client id.
import assert from "node:assert/strict";
import {
  type Connector,
  type Reports,
  type Standing,
  type Start,
  type Started,
  TaskError,
  type Work,
} from "stepfleet-sdk";
import type { Gate } from "./harness.js";

export class Training implements Connector {
  readonly place = "here";
  readonly begun = new Map<string, unknown>();
  readonly calls: string[] = [];
  readonly ended = new Map<string, Standing>();
  readonly stopped: Work[] = [];
  readonly tokens: string[] = [];
  described = 0;
  gate: Gate | undefined;
  reports: Reports | undefined;

  async start({ input, clientId, pattern, task }: Start): Promise<Started> {
    this.calls.push(clientId);
    if (input.place === "none") throw new TaskError("NoRoom", "all places are taken");
    await this.gate?.opened;
    if (pattern === "requestResponse") return { answered: { echo: input } };
    this.tokens.push(task.token);
    if (!this.begun.has(clientId)) this.begun.set(clientId, input);
    return { handle: { id: clientId }, output: { begun: true } };
  }

  describe({ handle, clientId }: Work): Standing {
    this.described += 1;
    assert.deepEqual(handle, { id: clientId });
    return this.ended.get(clientId) ?? { going: true, againAfterMs: 50 };
  }

  stop(work: Work): void {
    this.stopped.push(work);
  }

  attach(reports: Reports): void {
    this.reports = reports;
  }
}
