/**
 * Client and worker library for Stepfleet.
 *
 * {@link Client} calls the coordinator; {@link Worker} serves activities. Data flow of a worker: one gRPC stream per process;
 * pushed tasks start their handler at once; results, heartbeats and acknowledgements go back in batches; nothing is forgotten
 * before the coordinator has confirmed it. Glossary: a *task* is one attempt of an activity, named by its *task token*; a
 * *slot* is room for one task; a result is *confirmed* when the coordinator has made it durable.
 *
 * @module
 */
export type { ListOptions } from "./calls/base.js";
export type { StartExecutionOptions } from "./calls/executions.js";
export type { CreateStateMachineOptions, TestStateOptions, UpdateStateMachineOptions } from "./calls/stateMachines.js";
export type { UpdateActivityOptions, WorkerSelection } from "./calls/workers.js";
export { Client } from "./client.js";
export type { CallOptions } from "./connection.js";
export type {
  Answered,
  Begun,
  Connector,
  Failed,
  Going,
  Pattern,
  Reports,
  Resumed,
  Standing,
  Start,
  Started,
  Succeeded,
  Work,
} from "./connector.js";
export { DEFAULT_ENDPOINT, Endpoint, type EndpointOptions } from "./endpoint.js";
export * from "./errors.js";
export type { Document } from "./json.js";
export type { Logger } from "./log.js";
export type {
  Activity,
  ActivityListItem,
  ActivitySettings,
  ActivityStats,
  ActivityTask,
  Alias,
  Callback,
  Created,
  CreatedStateMachine,
  Credential,
  Diagnostic,
  Execution,
  ExecutionListItem,
  ExecutionStatus,
  HistoryEvent,
  IssuedCredential,
  PolicyDescription,
  PolicyInfo,
  Route,
  StartedExecution,
  StateMachine,
  StateMachineForExecution,
  StateMachineListItem,
  StateMachineType,
  Status,
  SyncExecution,
  TestedState,
  UpdatedStateMachine,
  Validation,
  Version,
  WorkerDescription,
  WorkerInfo,
} from "./model.js";
export { CAUSE_CHARS_MAX, ERROR_CHARS_MAX, PROGRESS_BYTES_MAX, Task, TaskCancelled, TaskError } from "./task.js";
export type { Targets } from "./tuner.js";
export { VERSION } from "./version.js";
export {
  type ActivityOptions,
  type RawActivityOptions,
  SLOTS_DEFAULT,
  Worker,
  type WorkerOptions,
} from "./worker.js";
