// The life of one worker: connection after connection while it serves, then the phases of its end.
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { type ClientDuplexStream, status } from "@grpc/grpc-js";
import * as api from "../api.js";
import { Backoff } from "../backoff.js";
import type { Connection } from "../connection.js";
import { Abandoned, AccessDeniedException, ApiError, TransportError } from "../errors.js";
import type { Logger } from "../log.js";
import { delayAfter } from "../retry.js";
import { errorOf } from "../status.js";
import { nextSlots } from "../tuner.js";
import { type Activity, queueOf } from "./handlers.js";
import { Host } from "./host.js";
import { Outbox } from "./outbox.js";
import { Tasks } from "./tasks.js";

/** From the first packet to `welcome`, milliseconds. */
const GREETING_TIMEOUT_MS = 10_000;
/** A push is acknowledged by itself when nothing else went out for so long, milliseconds. */
const ACKNOWLEDGE_AFTER_MS = 1000;
/** How long the coordinator may take to end the stream after the worker has said its last, milliseconds. */
const LEAVE_TIMEOUT_MS = 2000;
/** How often slots that follow the host are looked at, milliseconds. */
const TUNE_EVERY_MS = 1000;

/** Longest name of a host, characters. */
const HOST_CHARS_MAX = 256;

/** Refusals that time does not heal. */
const FINAL: readonly status[] = [
  status.UNAUTHENTICATED,
  status.PERMISSION_DENIED,
  status.NOT_FOUND,
  status.ALREADY_EXISTS,
  status.INVALID_ARGUMENT,
  status.FAILED_PRECONDITION,
  status.OUT_OF_RANGE,
  status.UNIMPLEMENTED,
];

/** How a worker presents itself, and how long it may take to stop. */
export interface Options {
  readonly name: string;
  readonly buildId: string;
  readonly labels: Record<string, string>;
  readonly createActivities: boolean;
  readonly graceMs: number;
  readonly stopTimeoutMs: number;
  readonly confirmTimeoutMs: number;
  /** Tasks at once over all activities; 0 is no bound. */
  readonly maxTasks: number;
  readonly log: Logger;
}

/** The coordinator ended the stream in order: it has heard everything, or does not want to. */
class Ended extends TransportError {}

/** Everything that one worker process is. */
export class Session {
  readonly #connection: Connection;
  readonly #activities: readonly Activity[];
  readonly #options: Options;
  readonly #id = randomUUID().replaceAll("-", "");
  readonly #outbox = new Outbox();
  readonly #tasks: Tasks;
  readonly #backoff = new Backoff(100, 5000);
  /** Ends whatever the session waits for. */
  readonly #end = new AbortController();
  /** Looked at after every change. */
  readonly #conditions = new Set<() => void>();
  #missing: string[];
  #acknowledging: NodeJS.Timeout | undefined;
  /** A coordinator has welcomed this worker once: what fails now will heal. */
  #welcomed = false;
  /** That it is away was said. */
  #away = false;
  /** An operator has told it to drain: what runs may finish, however long that takes. */
  #told = false;

  constructor(connection: Connection, activities: readonly Activity[], options: Options) {
    this.#connection = connection;
    // Pushes count connectors behind activities.
    const listed = activities.filter((activity) => activity.connector === undefined);
    this.#activities = [...listed, ...activities.filter((activity) => activity.connector !== undefined)];
    this.#options = options;
    this.#tasks = new Tasks(this.#activities, this.#outbox, () => this.#changed(), options.log);
    this.#missing = options.createActivities ? this.#activities.map(queueOf) : [];
  }

  /** Serves until the shutdown, then drains. */
  async run(shutdown: AbortSignal): Promise<void> {
    this.#tasks.works.attach();
    const tuning = this.#tune();
    const link = this.#connections();
    // Looked at below; until then it may reject unseen.
    link.catch(() => {});
    try {
      await Promise.race([link, aborted(shutdown, this.#end.signal), this.#toldAndDone()]);
      const unfinished = await this.#windDown();
      const { unconfirmed } = this.#tasks;
      this.#outbox.close();
      await this.#tasks.works.stopped(LEAVE_TIMEOUT_MS);
      // Lets what is still to be said go out; over another connection when this one breaks.
      const late = sleep(LEAVE_TIMEOUT_MS, undefined, { signal: this.#end.signal }).catch(() => {});
      if (this.#outbox.isOpen) await Promise.race([link.catch(() => {}), late]);
      if (unfinished > 0 || unconfirmed > 0) throw new Abandoned(unfinished, unconfirmed);
      this.#options.log.info("left");
    } finally {
      this.#end.abort();
      clearInterval(tuning);
      clearTimeout(this.#acknowledging);
      this.#tasks.close();
    }
  }

  /** Changes the slots of an activity. */
  setSlots(activity: string, slots: number): void {
    this.#tasks.setSlots(activity, slots);
  }

  /** Looks at the host once a second, and sets the slots of the activities that follow it. */
  #tune(): NodeJS.Timeout | undefined {
    const following = [...this.#activities.entries()].filter(([, activity]) => activity.targets !== undefined);
    if (following.length === 0) return undefined;
    const host = new Host();
    const look = () => {
      const usage = host.usage(performance.now());
      if (usage === undefined) return;
      for (const [index, { name, slots, targets }] of following) {
        if (targets === undefined) continue;
        const now = this.#tasks.slots[index] ?? slots;
        this.#tasks.setSlots(name, nextSlots(targets, usage, now, this.#tasks.used(index)));
      }
    };
    look();
    return setInterval(look, TUNE_EVERY_MS);
  }

  /** Draining, stopping, confirming; gives how many handlers did not end although they were cancelled. */
  async #windDown(): Promise<number> {
    const { log, graceMs, stopTimeoutMs, confirmTimeoutMs } = this.#options;
    const idle = () => this.#tasks.running === 0;
    log.info(`draining; ${this.#tasks.running} tasks run`);
    this.#tasks.drain();
    this.#outbox.drain();
    if (!(await this.#until(idle, graceMs))) {
      log.warn(`the grace period is over; cancelling ${this.#tasks.running} tasks`);
      this.#tasks.stop();
      await this.#until(idle, stopTimeoutMs);
    }
    const unfinished = this.#tasks.running;
    // Until the coordinator hears that this worker leaves it keeps for it what was handed back, or never arrived.
    const said = () => !this.#welcomed || this.#outbox.hasSaidAll;
    await this.#until(() => this.#tasks.unconfirmed === 0 && said(), confirmTimeoutMs);
    return unfinished;
  }

  /** Waits until it was told to drain and has nothing left. Until then it can be told to go on. */
  #toldAndDone(): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!this.#told || this.#tasks.running > 0 || this.#tasks.unconfirmed > 0) return;
        this.#conditions.delete(look);
        resolve();
      };
      this.#conditions.add(look);
    });
  }

  #changed(): void {
    for (const look of [...this.#conditions]) look();
  }

  /** Waits until something holds; false when it does not in time. */
  #until(holds: () => boolean, ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (held: boolean) => {
        clearTimeout(timer);
        this.#conditions.delete(look);
        resolve(held);
      };
      const look = () => {
        if (holds()) settle(true);
      };
      const timer = setTimeout(() => settle(holds()), ms);
      this.#conditions.add(look);
      look();
    });
  }

  /** Connection after connection, until all is said. Rejects when this worker was never welcome and never will be. */
  async #connections(): Promise<void> {
    for (;;) {
      let delay: number;
      try {
        delay = await this.#serve();
      } catch (error) {
        if ((this.#outbox.closed && error instanceof Ended) || this.#end.signal.aborted) return;
        if (!this.#welcomed && error instanceof ApiError && FINAL.includes(error.code)) throw error;
        const where = this.#connection.endpoint.url;
        const text = `without coordinator at ${where}; trying again until it is back: ${(error as Error).message}`;
        this.#options.log[this.#away ? "debug" : "warn"](text);
        this.#away = true;
        delay = delayAfter(error, this.#backoff);
      }
      await sleep(delay, undefined, { signal: this.#end.signal });
    }
  }

  /** One connection to its end; gives after how many milliseconds the coordinator asks to come back. Rejects when it broke. */
  async #serve(): Promise<number> {
    this.#outbox.begin();
    await this.#create();
    const call = this.#connection.duplex("FleetService/Work", api.WorkerMessageSchema, api.CoordinatorMessageSchema);
    const cancel = () => call.cancel();
    this.#end.signal.addEventListener("abort", cancel, { once: true });
    let greeting: NodeJS.Timeout | undefined;
    try {
      return await new Promise<number>((resolve, reject) => {
        const late = () => reject(new TransportError("the coordinator did not answer in time"));
        greeting = setTimeout(late, GREETING_TIMEOUT_MS);
        call.on("error", (error) => reject(errorOf(error as never)));
        call.on("end", () => reject(new Ended("the coordinator ended the stream")));
        call.on("data", (message: api.CoordinatorMessage) => {
          if (greeting !== undefined) {
            clearTimeout(greeting);
            greeting = undefined;
            if (message.welcome === undefined) {
              reject(new TransportError("the coordinator did not begin with a welcome"));
              return;
            }
            this.#onWelcome(message.welcome, call);
          }
          this.#onMessage(message);
          if (message.reconnectAfterMs > 0 && !this.#outbox.closed) {
            this.#options.log.info(`the coordinator asks to reconnect after ${message.reconnectAfterMs} ms`);
            this.#away = true;
            resolve(message.reconnectAfterMs);
          }
        });
        call.write(create(api.WorkerMessageSchema, { hello: this.#hello() }));
      });
    } finally {
      this.#outbox.ended();
      clearTimeout(greeting);
      this.#end.signal.removeEventListener("abort", cancel);
      // What comes over this connection from now on belongs to nobody.
      call.removeAllListeners("data");
      call.removeAllListeners("end");
      call.cancel();
    }
  }

  /** Creates the activities that are missing. */
  async #create(): Promise<void> {
    for (const activity of this.#missing) {
      // Of an ARN, its last part counts.
      const name = activity.slice(activity.lastIndexOf(":") + 1);
      try {
        await this.#connection.unary(
          "ActivityService/CreateActivity",
          api.CreateActivityRequestSchema,
          api.CreateActivityResponseSchema,
          create(api.CreateActivityRequestSchema, { name }),
          { signal: this.#end.signal },
        );
      } catch (error) {
        // Who may work need not be allowed to create; whether the activity is there the answer to `hello` tells.
        if (!(error instanceof AccessDeniedException)) throw error;
      }
    }
    this.#missing = [];
  }

  #hello(): api.Hello {
    const { name, labels, buildId } = this.#options;
    const served = this.#activities.map((activity, index) => ({
      ...activity,
      slots: this.#tasks.slots[index] ?? activity.slots,
    }));
    return create(api.HelloSchema, {
      workerName: name,
      sessionId: this.#id,
      activities: served
        .filter(({ connector }) => connector === undefined)
        .map(({ name, slots, maxRate }) => ({ activity: name, slots, maxRate })),
      connectors: served
        .filter(({ connector }) => connector !== undefined)
        .map(({ name, slots, connector }) => ({ connector: name, slots, place: connector?.place ?? "" })),
      maxTasks: this.#options.maxTasks,
      labels,
      buildId,
      held: this.#tasks.inventory(),
      host: hostname().slice(0, HOST_CHARS_MAX),
      toldToDrain: this.#told,
    });
  }

  #onWelcome(welcome: api.Welcome, call: ClientDuplexStream<api.WorkerMessage, api.CoordinatorMessage>): void {
    const resumed = welcome.resumed ? " and resumed the session" : "";
    this.#options.log.info(`connected to the coordinator at ${this.#connection.endpoint.url}${resumed}`);
    this.#welcomed = true;
    this.#away = false;
    this.#backoff.reset();
    this.#tasks.onWelcome(welcome);
    // One message is with the transport at a time: what comes meanwhile goes out with the next one.
    let busy = false;
    const pump = () => {
      if (busy || call.destroyed) return;
      const message = this.#outbox.take();
      if (message !== undefined) {
        busy = true;
        call.write(message, () => {
          busy = false;
          pump();
          this.#changed();
        });
      } else if (this.#outbox.closed) {
        busy = true;
        call.end();
      }
    };
    let scheduled = false;
    this.#outbox.welcomed(() => {
      // After whatever is going on now, which may have more to say.
      if (scheduled) return;
      scheduled = true;
      queueMicrotask(() => {
        scheduled = false;
        pump();
      });
    });
  }

  #onMessage(message: api.CoordinatorMessage): void {
    // What is pushed with the word to go on is taken.
    if (message.order === api.Order.DRAIN && !this.#told) {
      this.#options.log.info(`told to drain; ${this.#tasks.running} tasks run`);
      this.#told = true;
      this.#tasks.drain();
      this.#outbox.wake();
      this.#changed();
    } else if (message.order === api.Order.RESUME && this.#told && !this.#outbox.draining) {
      this.#options.log.info("told to go on");
      this.#told = false;
      this.#tasks.resume();
    }
    this.#tasks.onRefused(message.refused);
    this.#tasks.onRefusedProgress(message.refusedProgress);
    this.#tasks.onConfirmed(message.confirmed);
    for (const token of message.cancelled) this.#tasks.onCancelled(token);
    for (const query of message.queries) void this.#tasks.works.onQuery(query);
    for (const push of message.pushes) this.#tasks.onPush(push);
    if (message.pushes.length > 0 && this.#acknowledging === undefined) {
      this.#acknowledging = setTimeout(() => {
        this.#acknowledging = undefined;
        this.#outbox.acknowledge();
      }, ACKNOWLEDGE_AFTER_MS);
    }
  }
}

/** Resolves when the signal is aborted; forgets about it when `end` is. */
function aborted(signal: AbortSignal, end: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true, signal: end });
  });
}
