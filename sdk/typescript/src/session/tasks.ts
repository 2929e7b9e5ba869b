// The tasks that a worker holds: received, and without confirmed result. No connection in here: what goes out is left in the
// outbox.
import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { type Begun, type Push, type RefusedResult, type TaskResult, TaskResultSchema, type Welcome } from "../api.js";
import { decode } from "../json.js";
import type { Logger } from "../log.js";
import { Task, TaskCancelled, TaskError } from "../task.js";
import { type Activity, call, type Ending } from "./handlers.js";
import type { Outbox } from "./outbox.js";
import { inSpan } from "./spans.js";
import { beatEveryMs, type Settled, start, Works } from "./works.js";

/** An activity at work. */
class Served {
  readonly activity: Activity;
  /** Tasks of it at once. */
  slots: number;
  /** Handlers that run, those of cancelled tasks included. */
  running = 0;
  /** Pushed while cancelled tasks still clean up in their slots. */
  readonly waiting: Held[] = [];

  constructor(activity: Activity) {
    this.activity = activity;
    this.slots = activity.slots;
  }
}

/** A task in the hands of this worker. */
export class Held {
  readonly token: string;
  readonly push: Push;
  readonly served: Served;
  phase: "waiting" | "running" | "finished" = "waiting";
  /** Its heartbeats. */
  timer: NodeJS.Timeout | undefined;
  readonly #over = new AbortController();
  readonly #onBeat: (held: Held) => void;
  /** Newest progress that has not gone out. */
  #details = "";

  constructor(push: Push, served: Served, onBeat: (held: Held) => void) {
    this.token = push.taskToken;
    this.push = push;
    this.served = served;
    this.#onBeat = onBeat;
  }

  /** What the handler gets. */
  task(input: never): Task<never> {
    return new Task<never>({
      input,
      token: this.token,
      executionArn: this.push.executionArn,
      activity: this.served.activity.name,
      attempt: this.push.attempt,
      traceparent: this.push.traceparent || undefined,
      lastProgress: this.push.lastProgress === "" ? undefined : decode(this.push.lastProgress),
      heartbeatSeconds: this.push.heartbeatSeconds || undefined,
      signal: this.#over.signal,
      beat: (details) => {
        this.#details = details || this.#details;
        this.#onBeat(this);
      },
    });
  }

  /** The newest progress; it goes out now. */
  takeDetails(): string {
    const details = this.#details;
    this.#details = "";
    return details;
  }

  /** The attempt is over. */
  cancel(): void {
    this.#over.abort(new TaskCancelled());
  }
}

/** See above. */
export class Tasks {
  /** What connectors have begun. */
  readonly works: Works;
  /** In the order of `Hello.activities`. */
  readonly #served: Served[];
  readonly #held = new Map<string, Held>();
  /** In the order of their numbers. */
  #unconfirmed: TaskResult[] = [];
  /** Number of the last result. */
  #numbered = 0n;
  #draining = false;
  /** Told when the result of this number is settled. */
  readonly #settling = new Map<bigint, Settled>();
  readonly #outbox: Outbox;
  readonly #changed: () => void;
  readonly #log: Logger;

  constructor(activities: readonly Activity[], outbox: Outbox, changed: () => void, log: Logger) {
    this.#served = activities.map((activity) => new Served(activity));
    this.#outbox = outbox;
    this.#changed = changed;
    this.#log = log;
    const record = (token: string, ending: Ending, settled?: Settled) => this.#record(token, ending, settled);
    this.works = new Works(activities, outbox, record, log);
  }

  /** Handlers that run. */
  get running(): number {
    return this.#served.reduce((sum, served) => sum + served.running, 0);
  }

  /** Results that the coordinator has not confirmed. */
  get unconfirmed(): number {
    return this.#unconfirmed.length;
  }

  /** Tokens of all that this worker holds. */
  inventory(): string[] {
    const open = [...this.#held.values()].filter((held) => held.phase !== "finished");
    return [...open.map((held) => held.token), ...this.#unconfirmed.map((result) => result.taskToken)];
  }

  /** A connection begins: forgets what is confirmed, and says again what is not. */
  onWelcome(welcome: Welcome): void {
    if (!welcome.resumed) this.#outbox.received = 0n;
    this.onConfirmed(welcome.confirmed);
    this.#outbox.results = [...this.#unconfirmed];
    for (const held of this.#held.values()) {
      if (held.timer !== undefined) this.#outbox.beat(held);
    }
    this.works.onWelcome();
  }

  /** Begins a task, or hands it back. */
  onPush(push: Push): void {
    this.#outbox.received = push.number;
    const served = this.#served[push.activity];
    if (this.#draining || served === undefined) {
      this.#outbox.returned.push(push.taskToken);
      this.#outbox.wake();
      return;
    }
    if (this.#held.has(push.taskToken)) {
      this.#log.debug(`task ${shortHash(push.taskToken)} was pushed twice`);
      return;
    }
    const held = new Held(push, served, (held) => this.#beat(held));
    this.#held.set(held.token, held);
    if (push.heartbeatSeconds > 0) {
      held.timer = setInterval(() => this.#beat(held), beatEveryMs(push.heartbeatSeconds));
    }
    if (served.running >= served.slots) served.waiting.push(held);
    else this.#begin(held);
  }

  /** The attempt is over: its handler is told, and its result will be dropped. */
  onCancelled(token: string): void {
    const held = this.#held.get(token);
    if (held === undefined) this.works.cancelled(token);
    // A result that is on its way will be confirmed or refused.
    if (held === undefined || held.phase === "finished") return;
    this.#log.debug(`task ${shortHash(token)} was cancelled`);
    this.#held.delete(token);
    endBeats(held);
    if (held.phase === "waiting") held.served.waiting.splice(held.served.waiting.indexOf(held), 1);
    held.cancel();
  }

  /** Results up to this number may be forgotten. */
  onConfirmed(number: bigint): void {
    const kept = this.#unconfirmed.findIndex((result) => result.number > number);
    const confirmed = this.#unconfirmed.splice(0, kept < 0 ? this.#unconfirmed.length : kept);
    for (const result of confirmed) {
      this.#held.delete(result.taskToken);
      this.#settling.get(result.number)?.();
      this.#settling.delete(result.number);
    }
    this.#changed();
  }

  /** Results that did not count. An output that the coordinator cannot take fails its task instead. */
  onRefused(refused: readonly RefusedResult[]): void {
    for (const { taskToken, reason } of refused) {
      this.#log.warn(`the coordinator refused the result of task ${shortHash(taskToken)}: ${reason}`);
      this.works.beginRefused(taskToken);
      const result = this.#unconfirmed.find((result) => result.taskToken === taskToken);
      if (reason === "InvalidOutput" && result !== undefined && result.outcome.case !== "failure") {
        const cause = "the coordinator refused the output: it is no JSON or too large";
        this.#record(taskToken, new TaskError("InvalidOutput", cause));
      }
    }
  }

  /** Details of heartbeats that the coordinator does not keep. */
  onRefusedProgress(refused: readonly RefusedResult[]): void {
    for (const { taskToken, reason } of refused) {
      this.#log.warn(`the coordinator refused the progress of task ${shortHash(taskToken)}: ${reason}`);
    }
  }

  /** Takes no more, and hands back what waits. */
  drain(): void {
    this.#draining = true;
    for (const held of this.#served.flatMap((served) => served.waiting.splice(0))) {
      this.#held.delete(held.token);
      endBeats(held);
      this.#outbox.returned.push(held.token);
    }
  }

  /** Tasks at once, in the order of `Hello.activities`. */
  get slots(): number[] {
    return this.#served.map((served) => served.slots);
  }

  /** Tasks of an activity that run or wait for room. */
  used(index: number): number {
    const served = this.#served[index];
    return served === undefined ? 0 : served.running + served.waiting.length;
  }

  /** From now on so many tasks of an activity run at once; those that waited for room begin. */
  setSlots(name: string, slots: number): void {
    for (const [index, served] of this.#served.entries()) {
      if (served.activity.name !== name || served.slots === slots) continue;
      served.slots = slots;
      this.#outbox.slots.set(index, slots);
      this.#outbox.wake();
      this.#beginWaiting(served);
    }
  }

  /** Takes tasks again. */
  resume(): void {
    this.#draining = false;
  }

  /** Cancels what runs; it fails. */
  stop(): void {
    for (const held of [...this.#held.values()]) {
      if (held.phase !== "running") continue;
      this.#finish(held, new TaskError("WorkerStopped", "the worker stopped before the task was done"));
      held.cancel();
    }
  }

  /** Cancels whatever is left, and forgets everything. */
  close(): void {
    for (const held of this.#held.values()) {
      endBeats(held);
      held.cancel();
    }
    this.#held.clear();
    this.works.close();
  }

  #begin(held: Held): void {
    held.phase = "running";
    held.served.running += 1;
    const { activity } = held.served;
    const make = (input: never) => held.task(input);
    const begins = activity.connector !== undefined;
    const run = () =>
      begins ? start(activity, held.push, make, this.#log) : call(activity, held.push.input, make, this.#log);
    void inSpan(held.push, activity.name, run).then((ending) => this.#onDone(held, ending));
  }

  /** A handler is done: records its result, and gives its slot to a task that waits. */
  #onDone(held: Held, ending: Ending): void {
    const { served } = held;
    served.running -= 1;
    this.#finish(held, ending);
    this.#beginWaiting(served);
    this.#changed();
  }

  #beginWaiting(served: Served): void {
    while (served.running < served.slots) {
      const next = served.waiting.shift();
      if (next === undefined) break;
      this.#begin(next);
    }
  }

  /** Records the result of a task, unless its attempt is over. */
  #finish(held: Held, ending: Ending): void {
    const { connector } = held.served.activity;
    const begun = isBegun(ending) ? ending : undefined;
    if (this.#held.get(held.token) !== held || held.phase === "finished") {
      if (connector !== undefined && begun !== undefined) this.works.begunForNobody(held.push, connector, begun);
      return;
    }
    held.phase = "finished";
    endBeats(held);
    this.#record(held.token, ending);
    if (connector !== undefined && begun !== undefined) this.works.begun(held.push, connector, begun);
  }

  #record(taskToken: string, ending: Ending, settled?: Settled): void {
    this.#numbered += 1n;
    const result = create(TaskResultSchema, { taskToken, number: this.#numbered });
    if (typeof ending === "string") {
      result.outcome = { case: "output", value: ending };
    } else if (isBegun(ending)) {
      result.outcome = { case: "begun", value: ending };
    } else {
      this.#log.debug(`task ${shortHash(taskToken)} failed with ${ending.error}`);
      const { error, cause } = ending;
      result.outcome = { case: "failure", value: { $typeName: "stepfleet.v1.TaskFailure", error, cause } };
    }
    if (settled !== undefined) this.#settling.set(this.#numbered, settled);
    this.#unconfirmed.push(result);
    this.#outbox.results.push(result);
    this.#outbox.wake();
  }

  #beat(held: Held): void {
    if (this.#held.get(held.token) === held) this.#outbox.beat(held);
  }
}

function isBegun(ending: Ending): ending is Begun {
  return typeof ending !== "string" && !(ending instanceof TaskError);
}

function endBeats(held: Held): void {
  clearInterval(held.timer);
  held.timer = undefined;
}

/** Names a token in logs without giving it away. */
export function shortHash(token: string): string {
  return createHash("sha256").update(token).digest("hex").slice(0, 8);
}
