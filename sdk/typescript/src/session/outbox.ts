// What is ready to go out. The connection takes everything there is whenever it can write, so batches grow by themselves when
// it is busy. Nothing but `hello` goes out before the coordinator's `welcome`.
import { create } from "@bufbuild/protobuf";
import {
  type ConnectorAnswer,
  TaskFailureSchema,
  type TaskResult,
  type WorkerMessage,
  WorkerMessageSchema,
} from "../api.js";

/** Answers and results of a message stop here: well below the 4 MiB that gRPC servers accept by default. */
const FRAME_BYTES_MAX = 1024 * 1024;
/** Tokens of a kind per message, for the same reason. */
const FRAME_TOKENS_MAX = 2048;
/** Of one output in an answer: it still fits a message by itself. */
const ANSWER_BYTES_MAX = 3 * 1024 * 1024;
/** Numbers and lengths beside a text, at most. */
const HEAD_BYTES = 32;

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

  /**
   * What a connector says to a question of this connection. An output that fits no message fails its task: it would end
   * connection after connection.
   */
  answer(answer: ConnectorAnswer): void {
    const size = bytesOf(answer.answer);
    if (answer.answer.case === "output" && size > ANSWER_BYTES_MAX) {
      const cause = `the connector's output has ${size} bytes, of at most ${ANSWER_BYTES_MAX} in an answer`;
      const failure = create(TaskFailureSchema, { error: "States.DataLimitExceeded", cause });
      answer.answer = { case: "failure", value: failure };
    }
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
    const answers = fitting(this.#answers, 0, ({ answer }) => bytesOf(answer));
    const results = fitting(
      this.results,
      answers.size,
      ({ taskToken, outcome }) => taskToken.length + bytesOf(outcome),
    );
    return create(WorkerMessageSchema, {
      received: this.received,
      draining: this.draining,
      returned: this.returned.splice(0, FRAME_TOKENS_MAX),
      slots,
      heartbeats: beating.map((held) => ({ taskToken: held.token, details: held.takeDetails() })),
      answers: this.#answers.splice(0, answers.count),
      results: this.results.splice(0, results.count),
    });
  }
}

/** Bytes of what is long in an answer or a result. */
function bytesOf(said: ConnectorAnswer["answer"] | TaskResult["outcome"]): number {
  switch (said.case) {
    case "output":
    case "unknown":
      return Buffer.byteLength(said.value);
    case "failure":
      return Buffer.byteLength(said.value.error ?? "") + Buffer.byteLength(said.value.cause ?? "");
    case "begun":
      return Buffer.byteLength(said.value.handle) + Buffer.byteLength(said.value.output);
    case "going":
    case "stopped":
    case undefined:
      return 0;
  }
}

/** How many fit a message beside these bytes, and the bytes of all. In an empty one, any fits by itself. */
function fitting<T>(items: readonly T[], beside: number, bytes: (item: T) => number): { count: number; size: number } {
  let size = beside;
  for (const [count, item] of items.entries()) {
    const more = size + HEAD_BYTES + bytes(item);
    if (more > FRAME_BYTES_MAX && size > 0) return { count, size };
    size = more;
  }
  return { count: items.length, size };
}
