// What the coordinator tells, as plain values: `Date`s, enums as AWS's words, JSON documents parsed on demand. Beside each
// parsed document stands its text (`outputText`), for numbers that JavaScript cannot hold.
import { create } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import * as api from "./api.js";
import { ExecutionError } from "./errors.js";
import { decode } from "./json.js";

/** How executions of a state machine run. */
export type StateMachineType = "STANDARD" | "EXPRESS";

/** Where an execution is. */
export type ExecutionStatus = "RUNNING" | "SUCCEEDED" | "FAILED" | "TIMED_OUT" | "ABORTED" | "PENDING_REDRIVE";

/** A finding about a definition. */
export interface Diagnostic {
  readonly severity: "ERROR" | "WARNING";
  readonly code: string;
  readonly message: string;
  /** `/States/<name>/<field>`, or a line and column when the text is not JSON. */
  readonly location: string;
}

/** A state machine that was created, or was there already with the same settings. */
export interface CreatedStateMachine {
  readonly arn: string;
  readonly creationDate: Date;
  readonly warnings: Diagnostic[];
  /** Absent unless a version was published. */
  readonly versionArn: string | undefined;
}

/** What an update did. */
export interface UpdatedStateMachine {
  readonly updateDate: Date;
  /** Absent on the first revision. */
  readonly revisionId: string | undefined;
  readonly warnings: Diagnostic[];
  /** Absent unless a version was published. */
  readonly versionArn: string | undefined;
}

/** A state machine, one of its versions, or what an alias leads to. */
export interface StateMachine {
  readonly arn: string;
  readonly name: string;
  readonly status: "ACTIVE" | "DELETING";
  /** Amazon States Language. */
  readonly definition: unknown;
  readonly definitionText: string;
  readonly roleArn: string;
  readonly type: StateMachineType;
  readonly creationDate: Date;
  readonly revisionId: string | undefined;
  /** By state: the variables that its fields read. */
  readonly variableReferences: Record<string, string[]>;
  /** Of a version. */
  readonly description: string | undefined;
  readonly loggingConfiguration: unknown;
  readonly tracingConfiguration: unknown;
  readonly encryptionConfiguration: unknown;
}

/** A state machine as an execution runs it. */
export interface StateMachineForExecution {
  readonly arn: string;
  readonly name: string;
  readonly definition: unknown;
  readonly definitionText: string;
  readonly roleArn: string;
  readonly updateDate: Date;
  readonly revisionId: string | undefined;
  readonly variableReferences: Record<string, string[]>;
}

/** A state machine in a list. */
export interface StateMachineListItem {
  readonly arn: string;
  readonly name: string;
  readonly type: StateMachineType;
  readonly creationDate: Date;
}

/** What a check of a definition found. */
export interface Validation {
  readonly ok: boolean;
  readonly diagnostics: Diagnostic[];
  /** There were more than 100 findings. */
  readonly truncated: boolean;
}

/** What one state did. */
export interface TestedState {
  readonly status: "SUCCEEDED" | "FAILED" | "RETRIABLE" | "CAUGHT_ERROR";
  readonly output: unknown;
  readonly outputText: string | undefined;
  readonly error: string | undefined;
  readonly cause: string | undefined;
  /** The state that this one leads to; absent at the end. */
  readonly nextState: string | undefined;
  /** What the stages of the state gave (`afterInputPath`, …), as far as it got. */
  readonly inspection: Record<string, unknown>;
}

/** A version of a state machine. */
export interface Version {
  readonly arn: string;
  readonly creationDate: Date;
}

/** Where an alias leads, and how often: the weights of an alias add up to 100. */
export interface Route {
  readonly versionArn: string;
  readonly weight: number;
}

/** An alias of a state machine's versions. */
export interface Alias {
  readonly arn: string;
  readonly name: string;
  readonly description: string;
  readonly routes: Route[];
  readonly creationDate: Date;
  readonly updateDate: Date;
}

/** Something that was created, or an item of a list that has no more. */
export interface Created {
  readonly arn: string;
  readonly creationDate: Date;
}

/** An execution that was started. */
export interface StartedExecution {
  readonly arn: string;
  readonly startDate: Date;
}

/** How an execution of an EXPRESS state machine ended. */
export interface SyncExecution {
  readonly arn: string;
  readonly stateMachineArn: string;
  readonly name: string;
  readonly status: ExecutionStatus;
  readonly startDate: Date;
  readonly stopDate: Date;
  readonly input: unknown;
  readonly inputText: string;
  readonly output: unknown;
  readonly outputText: string | undefined;
  readonly error: string | undefined;
  readonly cause: string | undefined;
  readonly traceHeader: string;
  readonly billedDurationMs: number;
  readonly billedMemoryMb: number;
  /** The output of a succeeded execution; throws {@link ExecutionError} for another one. */
  result<T = unknown>(): T;
}

/** A task that is scheduled and not over. */
export interface OpenTask {
  readonly stateName: string;
  /** ARN of the activity, or `service:action`. */
  readonly resource: string;
  /** From 0. */
  readonly attempt: number;
  readonly scheduledDate: Date | undefined;
  /** Absent while no worker has it. */
  readonly startedDate: Date | undefined;
  /** Empty when it does not tell. */
  readonly workerName: string;
  /** What a heartbeat said last, in this attempt or one before; absent when none did. */
  readonly progress: unknown;
  readonly progressDate: Date | undefined;
}

/** An execution, also as the outcome that was waited for. */
export interface Execution {
  readonly arn: string;
  readonly stateMachineArn: string;
  readonly name: string;
  readonly status: ExecutionStatus;
  readonly startDate: Date;
  /** Absent while it runs. */
  readonly stopDate: Date | undefined;
  readonly input: unknown;
  readonly inputText: string;
  readonly output: unknown;
  readonly outputText: string | undefined;
  readonly error: string | undefined;
  readonly cause: string | undefined;
  readonly traceHeader: string;
  readonly stateMachineVersionArn: string | undefined;
  readonly stateMachineAliasArn: string | undefined;
  readonly redriveCount: number;
  readonly redriveDate: Date | undefined;
  readonly redriveStatus: "REDRIVABLE" | "NOT_REDRIVABLE" | "REDRIVABLE_BY_MAP_RUN" | undefined;
  readonly redriveStatusReason: string | undefined;
  /** Of a running one: what it waits for that somebody works on or will, at most 100 of `openTaskCount`. */
  readonly openTasks: OpenTask[];
  readonly openTaskCount: number;
  /** The output of a succeeded execution; throws {@link ExecutionError} for another one. */
  result<T = unknown>(): T;
}

/** An execution in a list. */
export interface ExecutionListItem {
  readonly arn: string;
  readonly stateMachineArn: string;
  readonly name: string;
  readonly status: ExecutionStatus;
  readonly startDate: Date;
  readonly stopDate: Date | undefined;
  readonly stateMachineVersionArn: string | undefined;
  readonly stateMachineAliasArn: string | undefined;
  readonly redriveCount: number;
  readonly redriveDate: Date | undefined;
}

/** One event of an execution's history. */
export interface HistoryEvent {
  readonly id: number;
  readonly previousEventId: number;
  readonly timestamp: Date;
  /** AWS's name: `TaskStateEntered`, `ActivitySucceeded`, … */
  readonly type: string;
  /** The event's detail object, as the AWS endpoint gives it; absent where there is none. */
  readonly details: Record<string, unknown> | undefined;
  readonly detailsText: string | undefined;
}

/** An activity, its queue and its workers. */
export interface Activity {
  readonly arn: string;
  readonly name: string;
  readonly creationDate: Date;
  /** Tasks that wait for a worker now. */
  readonly queued: number;
  /** Age of the oldest of them, milliseconds. */
  readonly oldestAgeMs: number;
  /** Worker slots and pollers connected now. */
  readonly workers: number;
  readonly encryptionConfiguration: unknown;
}

/** An activity in a list. */
export interface ActivityListItem {
  readonly arn: string;
  readonly name: string;
  readonly creationDate: Date;
}

/** What holds an activity's tasks back. */
export interface ActivitySettings {
  /** Nothing is handed out; timeouts count. */
  readonly paused: boolean;
  /** Labels that a worker must have. */
  readonly requiredLabels: Record<string, string>;
  /** Tasks at once over all workers; 0 is no bound. */
  readonly maxConcurrency: number;
  /** Tasks that may start a second; 0 is no bound. */
  readonly maxRate: number;
  /**
   * Seconds that a worker may be away before its tasks end as lost; `Infinity`: their own timeouts alone end them; absent:
   * as the coordinator's.
   */
  readonly awayMax?: number;
}

/** The queue of an activity, its workers, and the last minutes. */
export interface ActivityStats {
  readonly arn: string;
  /** Tasks that wait for a worker now, and the age of the oldest. */
  readonly queued: number;
  readonly oldestAgeMs: number;
  /** Tasks in workers' hands. */
  readonly inHand: number;
  /** Sessions of workers that serve it, and their slots. */
  readonly workers: number;
  readonly slots: number;
  readonly slotsUsed: number;
  /** Calls of `getActivityTask` that wait. */
  readonly pollers: number;
  /** What the counts below cover. */
  readonly windowMs: number;
  readonly started: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly timedOut: number;
  /** From schedule to start. */
  readonly startLatencyP50Ms: number;
  readonly startLatencyP99Ms: number;
  /** It is needed, and no worker serves it. */
  readonly unserved: boolean;
  readonly settings: ActivitySettings;
  /** Labels that waiting tasks ask for and no worker has, with how many ask. */
  readonly unplaceable: { labels: Record<string, string>; queued: number }[];
}

/** A worker, as the coordinator knows it. */
export interface WorkerInfo {
  readonly sessionId: string;
  readonly name: string;
  /** Empty when the worker does not tell. */
  readonly host: string;
  readonly buildId: string;
  readonly labels: Record<string, string>;
  /** What it serves; `used` are tasks in hand. */
  readonly activities: { activityArn: string; slots: number; used: number }[];
  readonly status: "CONNECTED" | "DRAINING" | "AWAY" | "GONE";
  readonly connectedDate: Date;
  readonly lastSeenDate: Date;
  readonly goneDate: Date | undefined;
}

/** A worker with the tasks in its hands. */
export interface WorkerDescription {
  readonly worker: WorkerInfo;
  /** `progress` is what a heartbeat of the attempt said last. */
  readonly tasks: {
    executionArn: string;
    activityArn: string;
    sinceDate: Date;
    progress: unknown;
    progressDate: Date | undefined;
  }[];
}

/** A task from `getActivityTask`. */
export interface ActivityTask {
  /** A secret: whoever has it can complete the task. */
  readonly token: string;
  readonly input: unknown;
  readonly inputText: string;
  /** What an attempt before this one said of its progress last; absent when none did. */
  readonly lastProgress: unknown;
}

/** A task that waits for its token to be completed by anyone. */
export interface Callback {
  /** A secret: whoever has it can complete the task. */
  readonly token: string;
  readonly executionArn: string;
  readonly stateName: string;
  /** `service:action` of the Task's Resource. */
  readonly resource: string;
  /** The Task's Parameters: what a person or partner sees. */
  readonly parameters: unknown;
  readonly parametersText: string;
  readonly scheduledDate: Date;
  /** When TimeoutSeconds ends it; absent without a timeout. */
  readonly deadline: Date | undefined;
  /** What a heartbeat said last; absent when none did. */
  readonly progress: unknown;
  readonly progressDate: Date | undefined;
}

/** Facts about a coordinator. */
export interface Status {
  readonly version: string;
  readonly clusterId: string;
  readonly partitions: number;
  readonly liveExecutions: number;
  readonly residentExecutions: number;
  /** Why new starts are refused now; absent when they are not. */
  readonly refusing: string | undefined;
  /** What the ARNs of the caller begin with. */
  readonly arnPrefix: string;
}

// From messages. An empty text is absent where emptiness means absence.

/** A point in time that is always there. */
export function date(stamp: Timestamp | undefined): Date {
  return stamp === undefined ? new Date(0) : timestampDate(stamp);
}

/** A point in time that may be absent. */
export function maybeDate(stamp: Timestamp | undefined): Date | undefined {
  return stamp && timestampDate(stamp);
}

/** A document that may be absent. */
export function maybe(text: string | undefined): unknown {
  return text === undefined || text === "" ? undefined : decode(text);
}

/** The type of a state machine. */
export function machineType(type: api.StateMachineType): StateMachineType {
  return api.StateMachineType[type] as StateMachineType;
}

/** The status of an execution. */
export function executionStatus(status: api.ExecutionStatus): ExecutionStatus {
  return api.ExecutionStatus[status] as ExecutionStatus;
}

/** Whether nothing more will happen, unless somebody redrives it. */
export function hasEnded(status: ExecutionStatus): boolean {
  return status !== "RUNNING" && status !== "PENDING_REDRIVE";
}

/** Findings. */
export function diagnostics(messages: readonly api.Diagnostic[]): Diagnostic[] {
  return messages.map(({ severity, code, message, location }) => ({
    severity: api.Diagnostic_Severity[severity] as Diagnostic["severity"],
    code,
    message,
    location,
  }));
}

/** The variables that states read. */
export function references(entries: Record<string, api.VariableNames>): Record<string, string[]> {
  return Object.fromEntries(Object.entries(entries).map(([state, { names }]) => [state, names]));
}

/** An event. */
export function historyEvent(event: api.HistoryEvent): HistoryEvent {
  return {
    id: Number(event.id),
    previousEventId: Number(event.previousEventId),
    timestamp: date(event.timestamp),
    type: event.type,
    get details() {
      return maybe(event.details) as Record<string, unknown> | undefined;
    },
    detailsText: event.details || undefined,
  };
}

/** An execution. */
export function execution(answer: api.DescribeExecutionResponse): Execution {
  const status = executionStatus(answer.status);
  const redriveStatus = api.ExecutionRedriveStatus[answer.redriveStatus] as Execution["redriveStatus"] | "UNSPECIFIED";
  return {
    arn: answer.executionArn,
    stateMachineArn: answer.stateMachineArn,
    name: answer.name,
    status,
    startDate: date(answer.startDate),
    stopDate: maybeDate(answer.stopDate),
    get input() {
      return decode(answer.input);
    },
    inputText: answer.input,
    get output() {
      return maybe(answer.output);
    },
    outputText: answer.output,
    error: answer.error,
    cause: answer.cause,
    traceHeader: answer.traceHeader,
    stateMachineVersionArn: answer.stateMachineVersionArn || undefined,
    stateMachineAliasArn: answer.stateMachineAliasArn || undefined,
    redriveCount: answer.redriveCount,
    redriveDate: maybeDate(answer.redriveDate),
    redriveStatus: redriveStatus === "UNSPECIFIED" ? undefined : redriveStatus,
    redriveStatusReason: answer.redriveStatusReason || undefined,
    openTasks: answer.openTasks.map(openTask),
    openTaskCount: Number(answer.openTaskCount),
    result: <T>() => result<T>(status, answer),
  };
}

function openTask(task: api.OpenTask): OpenTask {
  return {
    stateName: task.stateName,
    resource: task.resource,
    attempt: task.attempt,
    scheduledDate: maybeDate(task.scheduledDate),
    startedDate: maybeDate(task.startedDate),
    workerName: task.workerName,
    get progress() {
      return maybe(task.progress);
    },
    progressDate: maybeDate(task.progressDate),
  };
}

/** How an execution of an EXPRESS state machine ended. */
export function syncExecution(answer: api.StartSyncExecutionResponse): SyncExecution {
  const status = executionStatus(answer.status);
  return {
    arn: answer.executionArn,
    stateMachineArn: answer.stateMachineArn,
    name: answer.name,
    status,
    startDate: date(answer.startDate),
    stopDate: date(answer.stopDate),
    get input() {
      return decode(answer.input);
    },
    inputText: answer.input,
    get output() {
      return maybe(answer.output);
    },
    outputText: answer.output,
    error: answer.error,
    cause: answer.cause,
    traceHeader: answer.traceHeader,
    billedDurationMs: Number(answer.billedDurationMs),
    billedMemoryMb: Number(answer.billedMemoryMb),
    result: <T>() => result<T>(status, answer),
  };
}

function result<T>(
  status: ExecutionStatus,
  { output, error, cause }: { output?: string; error?: string; cause?: string },
): T {
  if (status !== "SUCCEEDED") throw new ExecutionError(status, error, cause);
  return maybe(output) as T;
}

/** A worker. */
export function workerInfo(info: api.WorkerInfo): WorkerInfo {
  return {
    sessionId: info.sessionId,
    name: info.name,
    host: info.host,
    buildId: info.buildId,
    labels: info.labels,
    activities: info.activities.map(({ activityArn, slots, used }) => ({ activityArn, slots, used })),
    status: api.WorkerStatus[info.status] as WorkerInfo["status"],
    connectedDate: date(info.connectedDate),
    lastSeenDate: date(info.lastSeenDate),
    goneDate: maybeDate(info.goneDate),
  };
}

/** What holds an activity's tasks back. */
export function activitySettings(settings: api.ActivitySettings | undefined): ActivitySettings {
  const { paused = false, requiredLabels = {}, maxConcurrency = 0, maxRate = 0 } = settings ?? {};
  const bound = settings?.awayMax?.bound;
  const bounded = { paused, requiredLabels, maxConcurrency, maxRate };
  switch (bound?.case) {
    case "seconds":
      return { ...bounded, awayMax: bound.value };
    case "unbounded":
      return { ...bounded, awayMax: Number.POSITIVE_INFINITY };
    default:
      return bounded;
  }
}

/** How long a worker may be away, as the API says it. */
export function awayMax(away: number | "default"): api.AwayMax {
  if (away === "default") {
    return create(api.AwayMaxSchema);
  }
  const bound =
    away === Number.POSITIVE_INFINITY
      ? ({ case: "unbounded", value: true } as const)
      : ({ case: "seconds", value: away } as const);
  return create(api.AwayMaxSchema, { bound });
}
