// How the program's functions are called: inputs decoded, outputs encoded, what they throw turned into failures.
import { inspect } from "node:util";
import type { Begun } from "../api.js";
import type { Connector } from "../connector.js";
import { EncodeError } from "../errors.js";
import type { Logger } from "../log.js";
import { type Task, TaskCancelled, TaskError } from "../task.js";
import type { Targets } from "../tuner.js";

/** JSON text of the output, what a connector has begun, or the failure. */
export type Ending = string | Begun | TaskError;

/** An activity as it was registered. */
export interface Activity {
  readonly name: string;
  /** Tasks of it at once when the worker begins. */
  readonly slots: number;
  /** Tasks that the worker is given a second; 0 is no bound. */
  readonly maxRate: number;
  readonly handler: (task: Task<never>) => unknown;
  /** From the JSON text to what the handler takes. */
  readonly decode: (text: string) => unknown;
  /** From what the handler gives to JSON text. */
  readonly encode: (value: unknown) => string;
  /** Which begins the work of its tasks, when this is no activity. */
  readonly connector?: Connector;
  /** What its slots follow, if they do. */
  readonly targets?: Required<Targets>;
}

/** The activity in whose queue its tasks wait. */
export function queueOf({ name, connector }: Activity): string {
  return connector === undefined ? name : `connector.${name.replaceAll(":", ".")}`;
}

/** Calls a handler to its end; never rejects. */
export async function call(
  activity: Activity,
  text: string,
  make: (input: never) => Task<never>,
  log: Logger,
): Promise<Ending> {
  let task: Task<never>;
  try {
    task = make(activity.decode(text) as never);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return new TaskError("InvalidInput", `the input does not fit activity \`${activity.name}\`: ${why}`);
  }
  let value: unknown;
  try {
    value = await activity.handler(task);
  } catch (error) {
    if (!(error instanceof TaskError || error instanceof TaskCancelled || task.cancelled)) {
      log.warn(`a handler of activity ${activity.name} threw ${inspect(error)}`);
    }
    return TaskError.of(error);
  }
  try {
    return activity.encode(value);
  } catch (error) {
    return new TaskError("InvalidOutput", (error as Error).message);
  }
}

/** The output of a handler that gives JSON text itself. */
export function rawOutput(value: unknown): string {
  if (typeof value !== "string") throw new EncodeError(`a raw handler gives JSON text, not a ${typeof value}`);
  return value;
}
