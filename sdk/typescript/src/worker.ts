// The worker: which activities a process serves, and how it starts and stops.
import { hostname } from "node:os";
import { Client } from "./client.js";
import type { Connector } from "./connector.js";
import { ConfigurationError } from "./errors.js";
import { decode, encode } from "./json.js";
import { type Logger, WARNINGS } from "./log.js";
import { type Activity, rawOutput } from "./session/handlers.js";
import { type Options, Session } from "./session/session.js";
import { findOpenTelemetry } from "./session/spans.js";
import type { Task } from "./task.js";
import { complete, problem, type Targets } from "./tuner.js";

/** Tasks of one activity at once, unless `slots` says otherwise. */
export const SLOTS_DEFAULT = 16;
/** Longest worker name, characters. */
const NAME_CHARS_MAX = 80;

/** How a worker presents itself, and how long it may take to stop. */
export interface WorkerOptions {
  /** In histories (`ActivityStarted.workerName`) and lists, 1 to 80 characters; the host's name by default. */
  name?: string;
  /** Tasks of an activity at once, where its registration says nothing else. */
  slots?: number;
  /** The version of the program, for people. */
  buildId?: string;
  /** For people and for matching. */
  labels?: Record<string, string>;
  /** Creates the activities that do not exist yet before they are served. */
  createActivities?: boolean;
  /**
   * How long running tasks may go on after the worker was asked to stop, milliseconds; 30 s by default. What is then still
   * running is cancelled and fails with the error `WorkerStopped`.
   */
  graceMs?: number;
  /** How long a handler that was cancelled at the end of the grace period may clean up, milliseconds; 5 s by default. */
  stopTimeoutMs?: number;
  /** How long a stopping worker waits for the coordinator to confirm the last results, milliseconds; 10 s by default. */
  confirmTimeoutMs?: number;
  /** Tasks at once over all activities, besides the slots of each; no bound without. */
  maxTasks?: number;
  /** Takes the worker's lines, `console` for instance; only warnings are shown by default. */
  log?: Logger;
}

/** How an activity is served by a handler from JSON text to JSON text. */
export interface RawActivityOptions {
  /** How many tasks of it this worker takes at once. */
  slots?: number;
  /** Lets that follow what the host has left, between two numbers. */
  slotsByResources?: Targets;
  /** How many tasks of it this worker is given a second; no bound without. */
  maxRate?: number;
}

/** How an activity is served. */
export interface ActivityOptions<I> extends RawActivityOptions {
  /**
   * Makes `task.input` of the JSON value (`schema.parse` of a zod schema, for instance). What it throws fails the task with
   * `InvalidInput`.
   */
  input?: (value: unknown) => I;
}

/**
 * Serves activities over one stream: tasks are pushed into free slots, and each starts its handler at once.
 *
 * ```ts
 * const worker = new Worker(new Client("http://127.0.0.1:8083"))
 *   .activity("count", async (task: Task<{ text: string }>) => ({ length: task.input.text.length }), { slots: 8 });
 * await worker.run();
 * ```
 *
 * What a handler gives (any JSON value) is the output of the task; what it throws fails it: a {@link TaskError} with the
 * name it says, anything else with the name of its class. Heartbeats are sent by themselves, as long as no handler keeps the
 * event loop: one that computes for long belongs into a thread of `node:worker_threads`. A handler may be called more than
 * once for the same work: a task that timed out may be scheduled again by the state machine while a late handler still goes
 * on.
 */
export class Worker {
  /** The coordinator. */
  readonly client: Client;
  readonly #activities: Activity[] = [];
  readonly #slots: number;
  #running: Session | undefined;
  readonly #options: Options;

  /** @param client The coordinator; without one, the environment tells (`Endpoint.fromEnv`). */
  constructor(client: Client = new Client(), options: WorkerOptions = {}) {
    this.client = client;
    this.#slots = options.slots ?? SLOTS_DEFAULT;
    this.#options = {
      name: options.name ?? defaultName(),
      buildId: options.buildId ?? "",
      labels: options.labels ?? {},
      createActivities: options.createActivities ?? false,
      graceMs: options.graceMs ?? 30_000,
      stopTimeoutMs: options.stopTimeoutMs ?? 5000,
      confirmTimeoutMs: options.confirmTimeoutMs ?? 10_000,
      maxTasks: options.maxTasks ?? 0,
      log: options.log ?? WARNINGS,
    };
  }

  /** Serves an activity, named by its ARN or its bare name, with this function. */
  // biome-ignore lint/suspicious/noExplicitAny: without `input`, the program says what its state machines hand over.
  activity<I = any>(name: string, handler: (task: Task<I>) => unknown, options: ActivityOptions<I> = {}): this {
    const { input } = options;
    const fit = input === undefined ? decode : (text: string) => input(decode(text));
    return this.#register({ name, ...this.#room(options), handler, decode: fit, encode });
  }

  /** Serves an activity with a function from JSON text to JSON text: nothing is parsed on the way. */
  activityRaw(
    name: string,
    handler: (task: Task<string>) => string | Promise<string>,
    options: RawActivityOptions = {},
  ): this {
    const decode = (text: string) => text;
    return this.#register({ name, ...this.#room(options), handler, decode, encode: rawOutput });
  }

  /**
   * Serves `arn:aws:states:::<name>`, `<name>.sync` and `<name>.waitForTaskToken`, where `name` is `<service>:<action>`. Starts
   * wait in the queue of the activity `connector.<service>.<action>`, which must exist (`createActivities`).
   *
   * @param options `slots` is how many starts this worker does at once, not how much work goes on.
   */
  connector(name: string, connector: Connector, options: { slots?: number } = {}): this {
    const { slots = this.#slots } = options;
    return this.#register({ name, slots, maxRate: 0, handler: () => {}, decode, encode, connector });
  }

  /**
   * Serves until the shutdown, then drains: takes no new tasks, hands back what has not begun, finishes the rest within the
   * grace period, and leaves when every result is confirmed. Breaks of the connection are bridged: the worker comes back
   * under the same session and sends again what was not confirmed.
   *
   * @param options `signal` ends the worker when it is aborted. Without it, SIGTERM and SIGINT (Ctrl-C) do.
   * @throws ConfigurationError for a worker that cannot work: no activity, one twice, no slots, a bad name.
   * @throws ApiError when the coordinator refuses it at its first connection.
   * @throws Abandoned when it could not finish in time.
   */
  async run(options: { signal?: AbortSignal } = {}): Promise<void> {
    this.#check();
    await findOpenTelemetry();
    const session = new Session(this.client.connection, [...this.#activities], this.#options);
    this.#running = session;
    try {
      await this.#serve(session, options.signal);
    } finally {
      this.#running = undefined;
    }
  }

  /**
   * From now on this worker takes so many tasks of an activity at once. Those in hand beyond fewer slots go on.
   *
   * @param slots At least 1: a worker that is to take nothing is drained or stopped.
   * @throws ConfigurationError when the worker does not serve the activity, or `slots` is no number from 1 on.
   */
  setSlots(activity: string, slots: number): void {
    const index = this.#activities.findIndex(({ name, connector }) => name === activity && connector === undefined);
    const registered = this.#activities[index];
    if (registered === undefined) {
      throw new ConfigurationError(`the worker does not serve the activity \`${activity}\``);
    }
    if (!Number.isInteger(slots) || slots < 1) throw new ConfigurationError(`activity \`${activity}\` has no slots`);
    this.#activities[index] = { ...registered, slots };
    this.#running?.setSlots(activity, slots);
  }

  async #serve(session: Session, signal: AbortSignal | undefined): Promise<void> {
    if (signal !== undefined) return session.run(signal);
    const shutdown = new AbortController();
    const names = ["SIGTERM", "SIGINT"] as const;
    const restore = () => {
      for (const name of names) process.off(name, stop);
    };
    // The same signal again has its usual effect.
    const stop = () => {
      restore();
      shutdown.abort();
    };
    for (const name of names) process.on(name, stop);
    try {
      await session.run(shutdown.signal);
    } finally {
      restore();
    }
  }

  /** With how many slots an activity begins, and what they follow. */
  #room({ slots, slotsByResources, maxRate = 0 }: RawActivityOptions): Pick<Activity, "slots" | "maxRate" | "targets"> {
    if (slotsByResources === undefined) return { slots: slots ?? this.#slots, maxRate };
    if (slots !== undefined) throw new ConfigurationError("slots are either fixed or follow the host's resources");
    const targets = complete(slotsByResources);
    return { slots: targets.slotsMin, maxRate, targets };
  }

  #register(activity: Activity): this {
    this.#activities.push(activity);
    return this;
  }

  #check(): void {
    const { name } = this.#options;
    if (this.#activities.length === 0) throw new ConfigurationError("a worker needs at least one activity");
    const length = [...name].length;
    if (length < 1 || length > NAME_CHARS_MAX) {
      throw new ConfigurationError(`worker name \`${name}\` must have 1 to 80 characters`);
    }
    const names = new Set<string>();
    for (const activity of this.#activities) {
      const wrong = activity.targets && problem(activity.targets);
      if (wrong !== undefined) throw new ConfigurationError(`activity \`${activity.name}\`: ${wrong}`);
      if (!Number.isInteger(activity.slots) || activity.slots < 1) {
        throw new ConfigurationError(`activity \`${activity.name}\` has no slots`);
      }
      if (names.has(activity.name)) throw new ConfigurationError(`activity \`${activity.name}\` is registered twice`);
      names.add(activity.name);
    }
  }
}

/** The host's name, or the process id where it has none. */
function defaultName(): string {
  const host = (process.env.HOSTNAME || hostname()).trim();
  return [...host].slice(0, NAME_CHARS_MAX).join("") || `worker-${process.pid}`;
}
