// Activities, their tasks one call at a time, callbacks, and what an operator asks.
import { create } from "@bufbuild/protobuf";
import * as api from "../api.js";
import type { CallOptions } from "../connection.js";
import { type Document, decode, document, encode } from "../json.js";
import * as model from "../model.js";
import { type ListOptions, pages } from "./base.js";
import { Executions } from "./executions.js";

/** Milliseconds that `GetActivityTask` may take beyond other calls: the coordinator waits up to 60 s for a task. */
const POLL_EXTRA_MS = 65_000;

/** Activities, tasks by their tokens, the installation. */
export abstract class Activities extends Executions {
  /** Creates an activity; repeating it gives the same answer. */
  async createActivity(
    name: string,
    options: CallOptions & { tags?: Record<string, string>; encryptionConfiguration?: Document } = {},
  ): Promise<model.Created> {
    const answer = await this.connection.unary(
      "ActivityService/CreateActivity",
      api.CreateActivityRequestSchema,
      api.CreateActivityResponseSchema,
      create(api.CreateActivityRequestSchema, {
        name,
        tags: options.tags ?? {},
        encryptionConfiguration: document(options.encryptionConfiguration),
      }),
      options,
    );
    return { arn: answer.activityArn, creationDate: model.date(answer.creationDate) };
  }

  /** Deletes an activity; an unknown ARN is fine. */
  async deleteActivity(arn: string, options: CallOptions = {}): Promise<void> {
    await this.connection.unary(
      "ActivityService/DeleteActivity",
      api.DeleteActivityRequestSchema,
      api.DeleteActivityResponseSchema,
      create(api.DeleteActivityRequestSchema, { activityArn: arn }),
      options,
    );
  }

  /**
   * Describes an activity, its queue and its workers.
   *
   * @throws ApiError `ActivityDoesNotExist`, …
   */
  async describeActivity(arn: string, options: CallOptions = {}): Promise<model.Activity> {
    const answer = await this.connection.unary(
      "ActivityService/DescribeActivity",
      api.DescribeActivityRequestSchema,
      api.DescribeActivityResponseSchema,
      create(api.DescribeActivityRequestSchema, { activityArn: arn }),
      options,
    );
    return {
      arn: answer.activityArn,
      name: answer.name,
      creationDate: model.date(answer.creationDate),
      queued: Number(answer.queued),
      oldestAgeMs: Number(answer.oldestAgeMs),
      workers: Number(answer.workers),
      encryptionConfiguration: model.maybe(answer.encryptionConfiguration),
    };
  }

  /** All activities. */
  async *listActivities(options: ListOptions = {}): AsyncGenerator<model.ActivityListItem, void, undefined> {
    const { pageSize = 0 } = options;
    const fetch = (pageToken: string) =>
      this.connection.unary(
        "ActivityService/ListActivities",
        api.ListActivitiesRequestSchema,
        api.ListActivitiesResponseSchema,
        create(api.ListActivitiesRequestSchema, { pageSize, pageToken }),
        options,
      );
    for await (const page of pages(fetch)) {
      for (const item of page.activities) {
        yield { arn: item.activityArn, name: item.name, creationDate: model.date(item.creationDate) };
      }
    }
  }

  /**
   * Waits up to 60 s for an activity task; `undefined` when there was none. Never repeated by itself: a task handed out in
   * an answer that got lost goes back to its queue. Fleets use `Worker`.
   */
  async getActivityTask(
    activityArn: string,
    options: CallOptions & { workerName?: string } = {},
  ): Promise<model.ActivityTask | undefined> {
    const { workerName = "" } = options;
    const { taskToken, input, lastProgress } = await this.connection.unary(
      "TaskService/GetActivityTask",
      api.GetActivityTaskRequestSchema,
      api.GetActivityTaskResponseSchema,
      create(api.GetActivityTaskRequestSchema, { activityArn, workerName }),
      { ...options, repeat: false, extraMs: POLL_EXTRA_MS },
    );
    if (taskToken === "") return undefined;
    return {
      token: taskToken,
      get input() {
        return decode(input);
      },
      inputText: input,
      get lastProgress() {
        return model.maybe(lastProgress);
      },
    };
  }

  /**
   * Ends a task with an output, any JSON value. Repeated after a lost answer, when the first attempt may have counted: then
   * the answer is `TaskTimedOut`.
   *
   * @throws ApiError `TaskTimedOut`, `TaskDoesNotExist`, `InvalidToken`, `InvalidOutput`.
   */
  async sendTaskSuccess(token: string, output: unknown, options: CallOptions = {}): Promise<void> {
    await this.connection.unary(
      "TaskService/SendTaskSuccess",
      api.SendTaskSuccessRequestSchema,
      api.SendTaskSuccessResponseSchema,
      create(api.SendTaskSuccessRequestSchema, { taskToken: token, output: encode(output) }),
      options,
    );
  }

  /**
   * Ends a task with an error; repeated like {@link sendTaskSuccess}.
   *
   * @throws ApiError `TaskTimedOut`, `TaskDoesNotExist`, `InvalidToken`.
   */
  async sendTaskFailure(token: string, options: CallOptions & { error?: string; cause?: string } = {}): Promise<void> {
    const { error, cause } = options;
    await this.connection.unary(
      "TaskService/SendTaskFailure",
      api.SendTaskFailureRequestSchema,
      api.SendTaskFailureResponseSchema,
      create(api.SendTaskFailureRequestSchema, {
        taskToken: token,
        ...(error !== undefined && { error }),
        ...(cause !== undefined && { cause }),
      }),
      options,
    );
  }

  /**
   * Says that a task is still being worked on.
   *
   * @param options `progress`: how far it is, any JSON value of at most 8192 bytes of text. People see it, and the next
   *   attempt gets it.
   * @throws ApiError `TaskTimedOut` says that the attempt is over, `ValidationException` that the progress is too long.
   */
  async sendTaskHeartbeat(token: string, options: CallOptions & { progress?: unknown } = {}): Promise<void> {
    const details = options.progress === undefined ? "" : encode(options.progress);
    await this.connection.unary(
      "TaskService/SendTaskHeartbeat",
      api.SendTaskHeartbeatRequestSchema,
      api.SendTaskHeartbeatResponseSchema,
      create(api.SendTaskHeartbeatRequestSchema, { taskToken: token, details }),
      options,
    );
  }

  /** Short for {@link sendTaskSuccess}. */
  complete(token: string, output: unknown, options: CallOptions = {}): Promise<void> {
    return this.sendTaskSuccess(token, output, options);
  }

  /** Short for {@link sendTaskFailure}. */
  fail(token: string, error: string, cause = "", options: CallOptions = {}): Promise<void> {
    return this.sendTaskFailure(token, { ...options, error, cause });
  }

  /** Short for {@link sendTaskHeartbeat}. */
  heartbeat(token: string, options: CallOptions & { progress?: unknown } = {}): Promise<void> {
    return this.sendTaskHeartbeat(token, options);
  }

  /**
   * Lets one callback URL count no more, durably. The task goes on waiting: its token, and the URLs of later attempts, are
   * good. Repeating it is fine, and so is a URL that is over already.
   *
   * @param url Whole, as `$$.Task.CallbackUrl` gave it.
   * @throws ApiError `ValidationException` says that the coordinator has made no such URL.
   */
  async revokeCallbackUrl(url: string, options: CallOptions = {}): Promise<void> {
    await this.connection.unary(
      "TaskService/RevokeCallbackUrl",
      api.RevokeCallbackUrlRequestSchema,
      api.RevokeCallbackUrlResponseSchema,
      create(api.RevokeCallbackUrlRequestSchema, { url }),
      options,
    );
  }

  /** Tasks that wait for their token to be completed by anyone, oldest first; all, or those of one execution or machine. */
  async *listCallbacks(
    options: ListOptions & { executionArn?: string; stateMachineArn?: string } = {},
  ): AsyncGenerator<model.Callback, void, undefined> {
    const { pageSize = 0, executionArn = "", stateMachineArn = "" } = options;
    const fetch = (pageToken: string) =>
      this.connection.unary(
        "TaskService/ListCallbacks",
        api.ListCallbacksRequestSchema,
        api.ListCallbacksResponseSchema,
        create(api.ListCallbacksRequestSchema, { pageSize, pageToken, executionArn, stateMachineArn }),
        options,
      );
    for await (const page of pages(fetch)) {
      for (const item of page.callbacks) {
        yield {
          token: item.taskToken,
          executionArn: item.executionArn,
          stateName: item.stateName,
          resource: item.resource,
          get parameters() {
            return model.maybe(item.parameters);
          },
          parametersText: item.parameters,
          scheduledDate: model.date(item.scheduledDate),
          deadline: model.maybeDate(item.deadline),
          get progress() {
            return model.maybe(item.progress);
          },
          progressDate: model.maybeDate(item.progressDate),
        };
      }
    }
  }

  /** Facts about the coordinator. */
  async getStatus(options: CallOptions = {}): Promise<model.Status> {
    const answer = await this.connection.unary(
      "AdminService/GetStatus",
      api.GetStatusRequestSchema,
      api.GetStatusResponseSchema,
      create(api.GetStatusRequestSchema),
      options,
    );
    return {
      version: answer.version,
      clusterId: answer.clusterId,
      partitions: answer.partitions,
      liveExecutions: Number(answer.liveExecutions),
      residentExecutions: Number(answer.residentExecutions),
      refusing: answer.refusing || undefined,
      arnPrefix: answer.arnPrefix,
    };
  }

  /** A consistent copy of everything; the chunks, joined, are the backup file. */
  async *backup(options: CallOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    const answers = this.connection.stream(
      "AdminService/Backup",
      api.BackupRequestSchema,
      api.BackupResponseSchema,
      create(api.BackupRequestSchema),
      options.signal,
    );
    for await (const answer of answers) yield answer.chunk;
  }
}
