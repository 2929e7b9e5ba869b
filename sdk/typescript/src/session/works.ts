// Work that connectors have begun for `.sync` tasks and that goes on. The coordinator is asked by heartbeats whether it is still
// waited for; what it says about a token decides, so that no stop gets lost however long the worker was away.
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import * as api from "../api.js";
import type { Connector, Failed, Pattern, Reports, Resumed, Succeeded, Work } from "../connector.js";
import { EncodeError, TransportError } from "../errors.js";
import { decode, encode } from "../json.js";
import type { Logger } from "../log.js";
import { type Task, TaskError } from "../task.js";
import type { Activity, Ending } from "./handlers.js";
import type { Alive, Outbox } from "./outbox.js";

/** In what time the worker asks at least whether work is still waited for. */
const ASK_SECONDS = 300;
/** How often a stop is tried here; the coordinator asks for it, too. */
const STOPS = 10;
const STOP_PAUSE_MS = 1000;

/** A timer that is set to more fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

const PATTERNS: readonly Pattern[] = ["requestResponse", "sync", "waitForTaskToken"];

/** Called when a result is settled: durable, or given up for this reason. */
export type Settled = (gone?: Error) => void;

/** Work that goes on, by the token of its start. */
interface Open extends Alive {
  readonly connector: Connector;
  readonly work: Work;
  readonly timer: NodeJS.Timeout;
}

/** See above. */
export class Works {
  /** In the order of `Hello.activities` and `Hello.connectors`. */
  readonly #connectors: (Connector | undefined)[];
  readonly #outbox: Outbox;
  readonly #record: (token: string, ending: Ending, settled?: Settled) => void;
  readonly #log: Logger;
  readonly #open = new Map<string, Open>();
  readonly #stops = new Set<Promise<void>>();
  /** Those who wait until an end is durable. */
  readonly #settling = new Set<Settled>();
  readonly #end = new AbortController();
  /** Number of the current connection. */
  #connection = 0;

  constructor(
    activities: readonly Activity[],
    outbox: Outbox,
    record: (token: string, ending: Ending, settled?: Settled) => void,
    log: Logger,
  ) {
    this.#connectors = activities.map((activity) => activity.connector);
    this.#outbox = outbox;
    this.#record = record;
    this.#log = log;
  }

  /** The worker begins. */
  attach(): void {
    for (const connector of this.#connectors) connector?.attach?.(this.#reports(connector));
  }

  /** A connection begins. */
  onWelcome(): void {
    this.#connection += 1;
    for (const open of this.#open.values()) this.#outbox.beat(open);
  }

  /** A start is done: its work is open from now on. */
  begun(push: api.Push, connector: Connector, begun: api.Begun): void {
    if (push.start?.pattern !== api.TaskPattern.SYNC) return;
    this.#begin(push.taskToken, connector, workOf(push, begun), push.heartbeatSeconds);
  }

  /** A start that nobody waits for any more has ended: what it has begun is stopped. */
  begunForNobody(push: api.Push, connector: Connector, begun: api.Begun): void {
    this.#stop(connector, workOf(push, begun));
  }

  /** Nobody waits for the work of this token. */
  cancelled(token: string): void {
    const open = this.#forget(token);
    if (open === undefined) return;
    this.#log.debug(`nobody waits for the work ${open.work.clientId}`);
    this.#stop(open.connector, open.work);
  }

  /** Whether the coordinator has a begin already, or nobody waits for it, is told by the next heartbeat. */
  beginRefused(token: string): void {
    const open = this.#open.get(token);
    if (open !== undefined) this.#outbox.beat(open);
  }

  /** Asks a connector; the answer is for the connection that asks. */
  async onQuery(query: api.ConnectorQuery): Promise<void> {
    const connection = this.#connection;
    let answer: api.ConnectorAnswer["answer"];
    try {
      answer = await ask(query, this.#connectors[query.connector]);
    } catch (error) {
      answer = { case: "unknown", value: TaskError.of(error).message };
    }
    if (connection !== this.#connection) return;
    this.#outbox.answer(create(api.ConnectorAnswerSchema, { number: query.number, answer }));
  }

  /** Resolves when what nobody waits for is stopped, or after this time. */
  async stopped(ms: number): Promise<void> {
    if (this.#stops.size === 0) return;
    const late = new AbortController();
    const tooLate = sleep(ms, true, { signal: late.signal }).catch(() => false);
    if (await Promise.race([Promise.all(this.#stops).then(() => false), tooLate])) {
      this.#log.warn("work that nobody waits for was not stopped in time");
    }
    late.abort();
  }

  /** The worker has ended: nothing is asked or told any more. */
  close(): void {
    this.#end.abort();
    this.#connection += 1;
    for (const token of [...this.#open.keys()]) this.#forget(token);
    for (const settled of [...this.#settling]) settled(gone());
  }

  #reports(connector: Connector): Reports {
    return {
      resume: async (resumed) => this.#resume(connector, resumed),
      ended: async (token, ending) => this.#ended(token, ending),
    };
  }

  #resume(connector: Connector, { token, work, pattern, output }: Resumed): void {
    this.#checkOpen();
    this.#record(token, messageOf({ handle: work.handle, output }, connector));
    if (pattern === "sync") this.#begin(token, connector, work, 0);
  }

  async #ended(token: string, ending: Succeeded | Failed): Promise<void> {
    this.#checkOpen();
    const result = "failed" in ending ? ending.failed : encode(ending.succeeded);
    this.#forget(token);
    await new Promise<void>((resolve, reject) => {
      const settled: Settled = (gone) => {
        this.#settling.delete(settled);
        if (gone === undefined) resolve();
        else reject(gone);
      };
      this.#settling.add(settled);
      this.#record(token, result, settled);
    });
  }

  #checkOpen(): void {
    if (this.#end.signal.aborted) throw gone();
  }

  #begin(token: string, connector: Connector, work: Work, heartbeatSeconds: number): void {
    this.#forget(token);
    const seconds = Math.min(heartbeatSeconds || ASK_SECONDS, ASK_SECONDS);
    const timer = setInterval(() => this.#outbox.beat(open), beatEveryMs(seconds));
    // Work has no progress of its own.
    const open: Open = { token, connector, work, timer, takeDetails: () => "" };
    this.#open.set(token, open);
  }

  #forget(token: string): Open | undefined {
    const open = this.#open.get(token);
    this.#open.delete(token);
    clearInterval(open?.timer);
    return open;
  }

  #stop(connector: Connector, work: Work): void {
    const stopping = this.#tryToStop(connector, work).finally(() => this.#stops.delete(stopping));
    this.#stops.add(stopping);
  }

  async #tryToStop(connector: Connector, work: Work): Promise<void> {
    for (let tried = 0; tried < STOPS; tried += 1) {
      try {
        await connector.stop(work);
        return;
      } catch (error) {
        this.#log.warn(`work that nobody waits for was not stopped: ${TaskError.of(error).message}`);
      }
      await sleep(STOP_PAUSE_MS, undefined, { signal: this.#end.signal }).catch(() => {});
      // What begins after the end is tried once, too.
      if (this.#end.signal.aborted) return;
    }
  }
}

/** How often a heartbeat goes out: three in the time that the state allows. */
export function beatEveryMs(heartbeatSeconds: number): number {
  return Math.min((heartbeatSeconds * 1000) / 3, TIMER_MS_MAX);
}

/** Lets a connector begin the work of a task; never rejects. */
export async function start(
  activity: Activity,
  push: api.Push,
  make: (input: never) => Task<never>,
  log: Logger,
): Promise<Ending> {
  const { connector, name } = activity;
  if (connector === undefined || push.start === undefined) {
    return new TaskError("ConnectorOnly", "the worker serves this as a connector; it is no activity of its own");
  }
  try {
    const { clientId } = push.start;
    const pattern = PATTERNS[push.start.pattern] ?? "requestResponse";
    const task = make(decode(push.input) as never);
    const started = await connector.start({ input: task.input, clientId, pattern, task });
    return "answered" in started ? encode(started.answered) : messageOf(started, connector);
  } catch (error) {
    if (error instanceof EncodeError) return new TaskError("InvalidOutput", error.message);
    if (!(error instanceof TaskError)) log.warn(`the connector ${name} threw ${String(error)}`);
    return TaskError.of(error);
  }
}

/** What has begun, as the coordinator is told. */
function messageOf(begun: { handle: unknown; output?: unknown }, connector: Connector): api.Begun {
  const { place = "" } = connector;
  return create(api.BegunSchema, { handle: encode(begun.handle), output: encode(begun.output), place });
}

function workOf(push: api.Push, begun: api.Begun): Work {
  const { executionArn, start } = push;
  return { clientId: start?.clientId ?? "", handle: decode(begun.handle), executionArn };
}

async function ask(
  query: api.ConnectorQuery,
  connector: Connector | undefined,
): Promise<api.ConnectorAnswer["answer"]> {
  const { clientId, executionArn, kind } = query;
  const { DESCRIBE, STOP } = api.ConnectorQuery_Kind;
  if (connector === undefined || (kind !== DESCRIBE && kind !== STOP)) {
    return { case: "unknown", value: "this worker does not know what is asked" };
  }
  const work: Work = { clientId, handle: decode(query.handle), executionArn };
  if (kind === STOP) {
    await connector.stop(work);
    return { case: "stopped", value: create(api.StoppedSchema) };
  }
  const standing = await connector.describe(work);
  if ("going" in standing) {
    const againAfterMs = BigInt(Math.round(standing.againAfterMs ?? 0));
    return { case: "going", value: create(api.GoingSchema, { againAfterMs }) };
  }
  if ("succeeded" in standing) return { case: "output", value: encode(standing.succeeded) };
  const { error, cause } = standing.failed;
  return { case: "failure", value: create(api.TaskFailureSchema, { error, cause }) };
}

function gone(): TransportError {
  return new TransportError("the worker has ended");
}
