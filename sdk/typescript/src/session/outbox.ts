// What is ready to go out. The connection takes everything there is whenever it can write, so batches grow by themselves when
// it is busy. Nothing but `hello` goes out before the coordinator's `welcome`.
import { create } from "@bufbuild/protobuf";
import { type TaskResult, type WorkerMessage, WorkerMessageSchema } from "../api.js";
import type { Held } from "./tasks.js";

/** Results of a message stop here, characters: well below the 4 MiB that gRPC servers accept by default. */
const FRAME_CHARS_MAX = 1024 * 1024;
/** Tokens of a kind per message, for the same reason. */
const FRAME_TOKENS_MAX = 2048;

/** Filled by the session, emptied by the writer of the current connection. */
export class Outbox {
  results: TaskResult[] = [];
  returned: string[] = [];
  /** Number of the last push received. */
  received = 0n;
  /** Nothing more will come: the stream ends when all has gone out. */
  closed = false;
  /** This worker says that it takes no new tasks. */
  draining = false;
  readonly #beats = new Map<string, Held>();
  #welcomed = false;
  #receivedSent = 0n;
  /** Send a message even if it only acknowledges. */
  #acknowledge = false;
  #drainingTold = false;
  #onNews: () => void = () => {};

  /** Begins a connection: forgets what an earlier one did not send (the session knows what to send again). */
  begin(): void {
    this.#welcomed = false;
    this.#receivedSent = 0n;
    this.#acknowledge = false;
    this.#drainingTold = false;
    this.results = [];
    this.returned = [];
    this.#onNews = () => {};
  }

  /** The connection is over. */
  ended(): void {
    this.#welcomed = false;
    this.#onNews = () => {};
  }

  /** Whether everything went out over a connection that lasts, with the word that this worker leaves. */
  get hasSaidAll(): boolean {
    return this.#welcomed && this.#drainingTold && this.results.length === 0 && this.returned.length === 0;
  }

  /** The coordinator has answered `hello`; from now on this is called when there are news. */
  welcomed(onNews: () => void): void {
    this.#welcomed = true;
    this.#onNews = onNews;
    this.wake();
  }

  /** A heartbeat of this task, with its newest progress. */
  beat(held: Held): void {
    this.#beats.set(held.token, held);
    this.wake();
  }

  /** Says that this worker takes no new tasks, now and on every later connection. */
  drain(): void {
    this.draining = true;
    this.wake();
  }

  /** Acknowledges the newest push, unless another message has done so. */
  acknowledge(): void {
    if (this.received === this.#receivedSent) return;
    this.#acknowledge = true;
    this.wake();
  }

  /** Ends the stream once all has gone out. */
  close(): void {
    this.closed = true;
    this.wake();
  }

  /** There are news. */
  wake(): void {
    this.#onNews();
  }

  /** The next message, if there is something to say. */
  take(): WorkerMessage | undefined {
    const untold = this.draining && !this.#drainingTold;
    const news = this.results.length > 0 || this.#beats.size > 0 || this.returned.length > 0;
    if (!this.#welcomed || !(news || this.#acknowledge || untold)) return undefined;
    this.#acknowledge = false;
    this.#receivedSent = this.received;
    this.#drainingTold = this.draining;
    const beating = [...this.#beats.values()].slice(0, FRAME_TOKENS_MAX);
    for (const held of beating) this.#beats.delete(held.token);
    return create(WorkerMessageSchema, {
      received: this.received,
      draining: this.draining,
      returned: this.returned.splice(0, FRAME_TOKENS_MAX),
      heartbeats: beating.map((held) => ({ taskToken: held.token, details: held.takeDetails() })),
      results: this.results.splice(0, this.#fitting()),
    });
  }

  /** How many results fit one message; at least one if there is any. */
  #fitting(): number {
    let size = 0;
    for (const [count, { taskToken, outcome }] of this.results.entries()) {
      size += taskToken.length;
      if (outcome.case === "output") size += outcome.value.length;
      if (outcome.case === "failure") size += outcome.value.cause?.length ?? 0;
      if (size > FRAME_CHARS_MAX && count > 0) return count;
    }
    return this.results.length;
  }
}
