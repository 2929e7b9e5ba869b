// Executions: starting, following and ending them.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import * as api from "../api.js";
import type { CallOptions } from "../connection.js";
import { ExecutionAlreadyExists, TransportError } from "../errors.js";
import { encode } from "../json.js";
import * as model from "../model.js";
import { Attempts } from "../retry.js";
import { type ListOptions, pages } from "./base.js";
import { Versions } from "./versions.js";

/** Milliseconds that `StartSyncExecution` may take beyond other calls: it answers when the execution has ended. */
const SYNC_EXTRA_MS = 305_000;

/** What an execution is started with, beside machine and input. */
export interface StartExecutionOptions extends CallOptions {
  /** The same name with the same input, while it runs, gives the same answer. One is drawn otherwise. */
  name?: string;
  traceHeader?: string;
}

/** Starting, following and ending executions. */
export abstract class Executions extends Versions {
  /**
   * Starts an execution; {@link start} is the safe short form. Repeated after retryable errors only with a name, because a
   * repetition without one would start another one.
   *
   * @param stateMachineArn A state machine, a version or an alias.
   * @param input Any JSON value; an empty object by default.
   * @throws ApiError `ExecutionAlreadyExists`, `StateMachineDoesNotExist`, …
   */
  async startExecution(
    stateMachineArn: string,
    input?: unknown,
    options: StartExecutionOptions = {},
  ): Promise<model.StartedExecution> {
    const { name = "", traceHeader = "" } = options;
    const answer = await this.connection.unary(
      "ExecutionService/StartExecution",
      api.StartExecutionRequestSchema,
      api.StartExecutionResponseSchema,
      create(api.StartExecutionRequestSchema, { stateMachineArn, name, input: text(input), traceHeader }),
      { ...options, repeat: name !== "" },
    );
    return { arn: answer.executionArn, startDate: model.date(answer.startDate) };
  }

  /**
   * Starts an execution and gives its ARN. It gets a random name, so that a repetition after a lost answer cannot start a
   * second one.
   */
  async start(stateMachineArn: string, input?: unknown, options: CallOptions = {}): Promise<string> {
    const name = randomUUID().replaceAll("-", "");
    try {
      return (await this.startExecution(stateMachineArn, input, { ...options, name })).arn;
    } catch (error) {
      const arn = executionArn(stateMachineArn, name);
      // Nobody else has this name: the answer of an earlier attempt got lost, and the execution is over already.
      if (error instanceof ExecutionAlreadyExists && arn !== undefined) return arn;
      throw error;
    }
  }

  /**
   * Runs an execution of an EXPRESS state machine and gives how it ended, after 5 minutes at most. Never repeated by itself:
   * what an answer would have told is lost with it.
   *
   * @throws ApiError `StateMachineTypeNotSupported`, …
   */
  async startSyncExecution(
    stateMachineArn: string,
    input?: unknown,
    options: StartExecutionOptions = {},
  ): Promise<model.SyncExecution> {
    const { name = "", traceHeader = "" } = options;
    const answer = await this.connection.unary(
      "ExecutionService/StartSyncExecution",
      api.StartSyncExecutionRequestSchema,
      api.StartSyncExecutionResponseSchema,
      create(api.StartSyncExecutionRequestSchema, { stateMachineArn, name, input: text(input), traceHeader }),
      { ...options, repeat: false, extraMs: SYNC_EXTRA_MS },
    );
    return model.syncExecution(answer);
  }

  /** Stops an execution; workers that are busy for it are told. */
  async stopExecution(
    executionArn: string,
    options: CallOptions & { error?: string; cause?: string } = {},
  ): Promise<void> {
    const { error, cause } = options;
    await this.connection.unary(
      "ExecutionService/StopExecution",
      api.StopExecutionRequestSchema,
      api.StopExecutionResponseSchema,
      create(api.StopExecutionRequestSchema, {
        executionArn,
        ...(error !== undefined && { error }),
        ...(cause !== undefined && { cause }),
      }),
      options,
    );
  }

  /**
   * Makes an execution that failed, timed out or was stopped run again, from where it did.
   *
   * @param options `clientToken` names the request, so that its repetition redrives once; one is drawn otherwise.
   * @throws ApiError `ExecutionNotRedrivable`, `ExecutionDoesNotExist`, …
   */
  async redriveExecution(executionArn: string, options: CallOptions & { clientToken?: string } = {}): Promise<void> {
    const { clientToken = randomUUID() } = options;
    await this.connection.unary(
      "ExecutionService/RedriveExecution",
      api.RedriveExecutionRequestSchema,
      api.RedriveExecutionResponseSchema,
      create(api.RedriveExecutionRequestSchema, { executionArn, clientToken }),
      options,
    );
  }

  /**
   * Describes an execution.
   *
   * @throws ApiError `ExecutionDoesNotExist`, …
   */
  async describeExecution(executionArn: string, options: CallOptions = {}): Promise<model.Execution> {
    const answer = await this.connection.unary(
      "ExecutionService/DescribeExecution",
      api.DescribeExecutionRequestSchema,
      api.DescribeExecutionResponseSchema,
      create(api.DescribeExecutionRequestSchema, { executionArn }),
      options,
    );
    return model.execution(answer);
  }

  /** The executions of a state machine, a version or an alias; newest first. */
  async *listExecutions(
    stateMachineArn: string,
    options: ListOptions & { status?: model.ExecutionStatus } = {},
  ): AsyncGenerator<model.ExecutionListItem, void, undefined> {
    const { pageSize = 0, status = "UNSPECIFIED" } = options;
    const statusFilter = api.ExecutionStatus[status];
    const fetch = (pageToken: string) =>
      this.connection.unary(
        "ExecutionService/ListExecutions",
        api.ListExecutionsRequestSchema,
        api.ListExecutionsResponseSchema,
        create(api.ListExecutionsRequestSchema, { stateMachineArn, statusFilter, pageSize, pageToken }),
        options,
      );
    for await (const page of pages(fetch)) {
      for (const item of page.executions) {
        yield {
          arn: item.executionArn,
          stateMachineArn: item.stateMachineArn,
          name: item.name,
          status: model.executionStatus(item.status),
          startDate: model.date(item.startDate),
          stopDate: model.maybeDate(item.stopDate),
          stateMachineVersionArn: item.stateMachineVersionArn || undefined,
          stateMachineAliasArn: item.stateMachineAliasArn || undefined,
          redriveCount: item.redriveCount,
          redriveDate: model.maybeDate(item.redriveDate),
        };
      }
    }
  }

  /** The history as it is now. {@link watchExecution} goes on with what comes. */
  async *getExecutionHistory(
    executionArn: string,
    options: ListOptions & { reverseOrder?: boolean; excludeExecutionData?: boolean } = {},
  ): AsyncGenerator<model.HistoryEvent, void, undefined> {
    const { pageSize = 0, reverseOrder = false, excludeExecutionData = false } = options;
    const asked = { executionArn, pageSize, reverseOrder, excludeExecutionData };
    const fetch = (pageToken: string) =>
      this.connection.unary(
        "ExecutionService/GetExecutionHistory",
        api.GetExecutionHistoryRequestSchema,
        api.GetExecutionHistoryResponseSchema,
        create(api.GetExecutionHistoryRequestSchema, { ...asked, pageToken }),
        options,
      );
    for await (const page of pages(fetch)) {
      for (const event of page.events) yield model.historyEvent(event);
    }
  }

  /**
   * History events as they are recorded; ends after the closing event. Breaks of the connection are bridged as often as
   * the endpoint's `retries` allow in a row.
   *
   * @param options `afterEventId`: begins behind this event.
   * @throws ApiError `ExecutionDoesNotExist`, …
   * @throws TransportError when the coordinator stays away.
   */
  async *watchExecution(
    executionArn: string,
    options: CallOptions & { afterEventId?: number } = {},
  ): AsyncGenerator<model.HistoryEvent, void, undefined> {
    const { signal } = options;
    let attempts = new Attempts(this.connection.endpoint.retries);
    let afterEventId = BigInt(options.afterEventId ?? 0);
    for (;;) {
      let failure: unknown = new TransportError("the watch ended before the execution");
      const answers = this.connection.stream(
        "ExecutionService/WatchExecution",
        api.WatchExecutionRequestSchema,
        api.WatchExecutionResponseSchema,
        create(api.WatchExecutionRequestSchema, { executionArn, afterEventId }),
        signal,
      );
      let ended = false;
      try {
        for (;;) {
          const { done, value } = await answers.next();
          if (done) break;
          attempts = new Attempts(this.connection.endpoint.retries);
          ended = model.hasEnded(model.executionStatus(value.status));
          for (const event of value.events) {
            afterEventId = event.id;
            yield model.historyEvent(event);
          }
        }
        if (ended) return;
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        failure = error;
      } finally {
        await answers.return();
      }
      await sleep(attempts.after(failure), undefined, signal && { signal });
    }
  }

  /**
   * Waits until an execution has ended, and describes it; `result()` of that gives its output or throws.
   *
   * @throws ApiError `ExecutionDoesNotExist`, …
   * @throws TransportError when the coordinator stays away.
   */
  async wait(executionArn: string, options: CallOptions = {}): Promise<model.Execution> {
    const events = this.watchExecution(executionArn, options);
    while (!(await events.next()).done);
    return this.describeExecution(executionArn, options);
  }
}

/** The ARN of an execution by the ARN of its state machine (maybe with a version or alias at its end). */
export function executionArn(stateMachineArn: string, name: string): string | undefined {
  const [front, machine] = stateMachineArn.split(":stateMachine:");
  return machine === undefined ? undefined : `${front}:execution:${machine.split(":")[0]}:${name}`;
}

function text(input: unknown): string {
  return input === undefined ? "" : encode(input);
}
