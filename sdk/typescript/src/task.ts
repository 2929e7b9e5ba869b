// What a handler sees of its task, and how it says what went wrong.
import { inspect } from "node:util";
import { EncodeError } from "./errors.js";
import { encode } from "./json.js";

/** Longest error name, characters; longer ones are cut with a mark. */
export const ERROR_CHARS_MAX = 256;
/** Longest cause, characters; longer ones are cut with a mark. */
export const CAUSE_CHARS_MAX = 32_768;
/** Longest JSON text of a task's progress, bytes. */
export const PROGRESS_BYTES_MAX = 8192;

const CUT_MARK = "… (cut)";

/**
 * Thrown by a handler: fails the task with an error name, by which Retry and Catch decide, and an explanation. Whatever else
 * is thrown does so too: its class gives the name, its text and those of its causes the explanation.
 */
export class TaskError extends Error {
  /** The error name. */
  readonly error: string;
  /** The explanation. */
  override readonly cause: string;

  constructor(error: string, cause = "") {
    super(cause === "" ? error : `${error}: ${cause}`);
    this.name = "TaskError";
    this.error = cut(error, ERROR_CHARS_MAX);
    this.cause = cut(cause, CAUSE_CHARS_MAX);
  }

  /** What something thrown says as a task's failure. */
  static of(thrown: unknown): TaskError {
    if (thrown instanceof TaskError) return thrown;
    if (!(thrown instanceof Error))
      return new TaskError("Error", typeof thrown === "string" ? thrown : inspect(thrown));
    // Many subclasses leave `name` at that of their base.
    const name = thrown.name === "Error" ? thrown.constructor.name || "Error" : thrown.name;
    return new TaskError(name, chain(thrown));
  }
}

/** The reason of `task.signal`: the attempt is over, and nobody wants its result. */
export class TaskCancelled extends Error {
  constructor() {
    super("the attempt is over");
    this.name = "TaskCancelled";
  }
}

/** What a task is made of. @internal */
export interface TaskParts<I> {
  input: I;
  token: string;
  executionArn: string;
  activity: string;
  attempt: number;
  traceparent: string | undefined;
  lastProgress: unknown;
  heartbeatSeconds: number | undefined;
  signal: AbortSignal;
  beat: (details: string) => void;
}

/** One attempt of an activity, as its handler gets it. */
export class Task<I = unknown> {
  /** The task's input. */
  readonly input: I;
  /** The execution that waits for this task. */
  readonly executionArn: string;
  /** The activity as the worker registered it. */
  readonly activity: string;
  /** Which attempt of the state this is, as the coordinator counts. */
  readonly attempt: number;
  /** W3C's trace context of the state, for spans of the worker's own; absent when the execution is not traced. */
  readonly traceparent: string | undefined;
  /**
   * What an attempt before this one said of its progress last; absent when none did. Such an attempt failed or timed out,
   * lost its worker, or was before a redrive. After a crash of the coordinator it may be ten seconds old.
   */
  readonly lastProgress: unknown;
  /** The state's HeartbeatSeconds, if it has them. The worker sends heartbeats by itself, three in this time. */
  readonly heartbeatSeconds: number | undefined;
  /**
   * Aborted when the attempt is over (it timed out, its execution was stopped, or the worker ends). Hand it on to what takes
   * a signal (`fetch`, timers, streams), or call `task.signal.throwIfAborted()` from time to time.
   */
  readonly signal: AbortSignal;
  readonly #token: string;
  readonly #beat: (details: string) => void;

  /** @internal */
  constructor(parts: TaskParts<I>) {
    this.input = parts.input;
    this.executionArn = parts.executionArn;
    this.activity = parts.activity;
    this.attempt = parts.attempt;
    this.traceparent = parts.traceparent;
    this.lastProgress = parts.lastProgress;
    this.heartbeatSeconds = parts.heartbeatSeconds;
    this.signal = parts.signal;
    // Private, so that no log of a task shows it.
    this.#token = parts.token;
    this.#beat = parts.beat;
  }

  /** The task token. It is a secret: whoever has it can complete the task. */
  get token(): string {
    return this.#token;
  }

  /** Whether the attempt is over. */
  get cancelled(): boolean {
    return this.signal.aborted;
  }

  /**
   * Says now that the task is alive, and how far it is: people see it, and the next attempt gets what was said last as its
   * `lastProgress`. Progress that comes faster than it can be sent replaces what was there; what a task said last before it
   * failed goes out with its failure.
   *
   * @param progress Any JSON value of at most 8192 bytes of text; nothing is said without it.
   * @throws EncodeError when it is no JSON, or longer.
   */
  heartbeat(progress?: unknown): void {
    const text = progress === undefined ? "" : encode(progress);
    const bytes = Buffer.byteLength(text);
    if (bytes > PROGRESS_BYTES_MAX) {
      throw new EncodeError(`the progress has ${bytes} bytes, of at most ${PROGRESS_BYTES_MAX}`);
    }
    this.#beat(text);
  }
}

/** The texts of an error and of those behind it, without repeating one that is in another. */
function chain(error: Error): string {
  let text = error.message;
  const seen = new Set<unknown>([error]);
  for (let behind = error.cause; behind !== undefined && !seen.has(behind); ) {
    seen.add(behind);
    const cause = behind instanceof Error ? behind.message || behind.name : String(behind);
    if (!text.includes(cause)) text = text === "" ? cause : `${text}: ${cause}`;
    behind = behind instanceof Error ? behind.cause : undefined;
  }
  return text;
}

function cut(text: string, charsMax: number): string {
  // Lone halves of characters cannot be sent.
  const whole = text.replace(/\p{Surrogate}/gu, "\ufffd");
  if (whole.length <= charsMax) return whole;
  const characters = Array.from(whole);
  if (characters.length <= charsMax) return whole;
  return characters.slice(0, charsMax - CUT_MARK.length).join("") + CUT_MARK;
}
