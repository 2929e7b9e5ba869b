// What is ready to go out. The connection takes everything there is whenever it can write, so batches grow by themselves when
// it is busy. Nothing but `hello` goes out before the coordinator's `welcome`.
import { create } from "@bufbuild/protobuf";
import { type ConnectorAnswer, type TaskResult, type WorkerMessage, WorkerMessageSchema } from "../api.js";

/** Results of a message stop here, characters: well below the 4 MiB that gRPC servers accept by default. */
const FRAME_CHARS_MAX = 1024 * 1024;
/** Tokens of a kind per message, for the same reason. */
const FRAME_TOKENS_MAX = 2048;
/** Answers of connectors per message: an output may have 256 KiB. */
const FRAME_ANSWERS_MAX = 8;

/** What heartbeats are about. */
export interface Alive {
  readonly token: string;
  /** The newest progress; it goes out now. */
  takeDetails(): string;
}

/** Filled by the session, emptied by the writer of the current connection. */
export class Outbox {
  results: TaskResult[] = [];
  returned: string[] = [];
  /** Slots that changed, by the index of the activity. */
  readonly slots = new Map<number, number>();
  /** Number of the last push received. */
  received = 0n;
  /** Nothing more will come: the stream ends when all has gone out. */
  closed = false;
  /** This worker says that it takes no new tasks. */
  draining = false;
  #answers: ConnectorAnswer[] = [];
  readonly #beats = new Map<string, Alive>();
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
    // `hello` tells them.
    this.slots.clear();
    // Questions go with their connection.
    this.#answers = [];
    this.#onNews = () => {};
  }

  /** The connection is over. */
  ended(): void {
    this.#welcomed = false;
    this.#onNews = () => {};
  }

  /** Whether everything went out over a connection that lasts, with the word that this worker leaves. */
  get hasSaidAll(): boolean {
    const left = this.results.length + this.returned.length + this.#answers.length;
    return this.#welcomed && this.#drainingTold && left === 0;
  }

  /** Whether the coordinator has welcomed the worker, and the connection stands. */
  get isOpen(): boolean {
    return this.#welcomed;
  }

  /** The coordinator has answered `hello`; from now on this is called when there are news. */
  welcomed(onNews: () => void): void {
    this.#welcomed = true;
    this.#onNews = onNews;
    this.wake();
  }

  /** A heartbeat of this task, with its newest progress. */
  beat(alive: Alive): void {
    this.#beats.set(alive.token, alive);
    this.wake();
  }

  /** What a connector says to a question of this connection. */
  answer(answer: ConnectorAnswer): void {
    this.#answers.push(answer);
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
    const lists = [this.results, this.returned, this.#answers];
    const news = lists.some((list) => list.length > 0) || this.#beats.size > 0 || this.slots.size > 0;
    if (!this.#welcomed || !(news || this.#acknowledge || untold)) return undefined;
    this.#acknowledge = false;
    this.#receivedSent = this.received;
    this.#drainingTold = this.draining;
    const slots = [...this.slots].map(([activity, slots]) => ({ activity, slots }));
    this.slots.clear();
    const beating = [...this.#beats.values()].slice(0, FRAME_TOKENS_MAX);
    for (const held of beating) this.#beats.delete(held.token);
    return create(WorkerMessageSchema, {
      received: this.received,
      draining: this.draining,
      returned: this.returned.splice(0, FRAME_TOKENS_MAX),
      slots,
      heartbeats: beating.map((held) => ({ taskToken: held.token, details: held.takeDetails() })),
      answers: this.#answers.splice(0, FRAME_ANSWERS_MAX),
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
