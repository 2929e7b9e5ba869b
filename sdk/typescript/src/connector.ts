// Connectors: integrations `arn:aws:states:::<service>:<action>` that a worker serves, in all three patterns. What a connector
// begins outlives the call that begins it; by its handle it is found again, also by another process.
import type { Task, TaskError } from "./task.js";

/**
 * How a task waits for what is begun: not at all, the answer to the start ends it (`requestResponse`); until the work ends
 * (`sync`); until whoever has the token in the input ends it (`waitForTaskToken`).
 */
export type Pattern = "requestResponse" | "sync" | "waitForTaskToken";

/** A task to begin. */
// biome-ignore lint/suspicious/noExplicitAny: the program says what its state machines hand over.
export interface Start<I = any> {
  /** A JSON value: the task's Parameters or Arguments. */
  readonly input: I;
  /** The same whenever this attempt is begun again. */
  readonly clientId: string;
  /** How the task waits. */
  readonly pattern: Pattern;
  /** Everything else about the task. */
  readonly task: Task<I>;
}

/** Of a start: nothing is to be waited for. */
export interface Answered {
  /** A JSON value: the task's output. Of a `.waitForTaskToken` task what `TaskSubmitted` tells. */
  readonly answered: unknown;
}

/** Of a start: the work has begun. */
export interface Begun {
  /** A JSON value of at most 8192 bytes of text, by which the work is found again. */
  readonly handle: unknown;
  /** A JSON value for the event `TaskSubmitted`; of a task without pattern its output. */
  readonly output?: unknown;
}

/** What came of a start. */
export type Started = Answered | Begun;

/** Work that a connector has begun. */
// biome-ignore lint/suspicious/noExplicitAny: the program says what its handles are.
export interface Work<H = any> {
  /** As in {@link Start}. */
  readonly clientId: string;
  /** As in {@link Begun}. */
  readonly handle: H;
  /** The execution that waits for it. */
  readonly executionArn: string;
}

/** Of work: it goes on. */
export interface Going {
  readonly going: true;
  /**
   * When to ask again, milliseconds; without it the coordinator decides: after a second at first, later after a minute.
   */
  readonly againAfterMs?: number;
}

/** Of work: it has ended well. */
export interface Succeeded {
  /** A JSON value: the task's output. */
  readonly succeeded: unknown;
}

/** Of work: it has ended otherwise. */
export interface Failed {
  readonly failed: TaskError;
}

/** How work is. */
export type Standing = Going | Succeeded | Failed;

/** Work of an earlier process. */
export interface Resumed {
  /** The token of its start. */
  readonly token: string;
  /** The work. */
  readonly work: Work;
  /** How its task waits. */
  readonly pattern: Pattern;
  /** As in {@link Begun}: the earlier process may have ended before it could tell. */
  readonly output?: unknown;
}

/** By which a connector tells of work without being asked. */
export interface Reports {
  /**
   * Takes over work of an earlier process: the coordinator is told that it has begun, in case it was not, and of a `.sync`
   * task the worker asks from now on whether it is still waited for. Work that is not is stopped.
   *
   * @throws TransportError when the worker has ended.
   */
  resume(resumed: Resumed): Promise<void>;

  /**
   * Tells the end of the work of a `.sync` task, named by the token of its start, and waits until that is durable with the
   * coordinator, or nobody waits for it.
   *
   * @throws TransportError when the worker ends first: the end is to be told again by the next process.
   */
  ended(token: string, ending: Succeeded | Failed): Promise<void>;
}

/**
 * An integration that a worker serves; see {@link Worker.connector}.
 *
 * `start` begins the work, or answers at once; it may be called again with the same {@link Start.clientId}, in this process or
 * another, and must then find what has begun. `describe` and `stop` are about work that has begun, perhaps by another process
 * or, unless the connector has a place, on another host. All are called in parallel.
 */
export interface Connector {
  /**
   * Where the work is, when only workers of this place can describe and stop it: drawn once per place, and the same after a
   * restart. Absent when any worker can.
   */
  readonly place?: string;

  /**
   * Begins the work of a task. What it throws fails the task, as with a handler. When nobody waits for the task any more its
   * signal is aborted; a start that gives a handle nevertheless is followed by a stop.
   */
  start(start: Start): Promise<Started> | Started;

  /** How the work is. What it throws says that this cannot be told now: it is asked again. */
  describe(work: Work): Promise<Standing> | Standing;

  /**
   * Ends the work, because nobody waits for it any more; work that has ended is stopped. What it throws says that this could
   * not be done now: it is asked for again.
   */
  stop(work: Work): Promise<void> | void;

  /**
   * Called once, when the worker begins: for connectors that tell by themselves when work ends, or that find work of an earlier
   * process.
   */
  attach?(reports: Reports): void;
}
