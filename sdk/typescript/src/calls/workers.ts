// Workers as an operator sees them, and what holds the tasks of an activity back.
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import * as api from "../api.js";
import type { CallOptions } from "../connection.js";
import * as model from "../model.js";
import { Activities } from "./activities.js";
import { type ListOptions, pages } from "./base.js";

/** Which workers: what is given must all hold, and something must be given. */
export interface WorkerSelection {
  /** A session id, or a name: every worker that has it. */
  worker?: string;
  /** Those that serve it: an ARN, or a bare name. */
  activity?: string;
  /** Those that carry all of them. */
  labels?: Record<string, string>;
}

/** Changes of what holds an activity's tasks back; what is not given stays. */
export interface UpdateActivityOptions {
  /** Nothing is handed out. */
  paused?: boolean;
  /** Labels that a worker must have; without any, every worker serves. */
  requiredLabels?: Record<string, string>;
  /** Tasks at once over all workers; 0 is no bound. */
  maxConcurrency?: number;
  /** Tasks that may start a second; 0 is no bound. */
  maxRate?: number;
  /**
   * Whole seconds that a worker may be away before its tasks end as lost, 0 for at once; `Infinity`: their own timeouts
   * alone end them; `"default"`: as the coordinator's.
   */
  awayMax?: number | "default";
}

/** Seeing and draining workers; pausing, bounding and purging activities. */
export abstract class Workers extends Activities {
  /** Workers by name; those that left or were lost stay for ten minutes. */
  async *listWorkers(
    options: ListOptions & Omit<WorkerSelection, "worker"> = {},
  ): AsyncGenerator<model.WorkerInfo, void, undefined> {
    const { pageSize = 0, activity = "", labels = {} } = options;
    const fetch = (pageToken: string) =>
      this.connection.unary(
        "WorkerService/ListWorkers",
        api.ListWorkersRequestSchema,
        api.ListWorkersResponseSchema,
        create(api.ListWorkersRequestSchema, { pageSize, pageToken, activity, labels }),
        options,
      );
    for await (const page of pages(fetch)) yield* page.workers.map(model.workerInfo);
  }

  /**
   * A worker, and the tasks in its hands: the longest held first, at most 1000.
   *
   * @param worker Its session id, or its name when one worker alone has it.
   */
  async describeWorker(worker: string, options: CallOptions = {}): Promise<model.WorkerDescription> {
    const answer = await this.connection.unary(
      "WorkerService/DescribeWorker",
      api.DescribeWorkerRequestSchema,
      api.DescribeWorkerResponseSchema,
      create(api.DescribeWorkerRequestSchema, { worker }),
      options,
    );
    const tasks = answer.tasks.map(({ executionArn, activityArn, sinceDate, progress, progressDate }) => ({
      executionArn,
      activityArn,
      sinceDate: model.date(sinceDate),
      progress: model.maybe(progress),
      progressDate: model.maybeDate(progressDate),
    }));
    return { worker: model.workerInfo(answer.worker ?? create(api.WorkerInfoSchema)), tasks };
  }

  /** Tells workers to take no new tasks, finish what they began, and leave; gives them as they are now. */
  async drainWorkers(which: WorkerSelection, options: CallOptions = {}): Promise<model.WorkerInfo[]> {
    const answer = await this.connection.unary(
      "WorkerService/DrainWorkers",
      api.DrainWorkersRequestSchema,
      api.DrainWorkersResponseSchema,
      create(api.DrainWorkersRequestSchema, which),
      options,
    );
    return answer.workers.map(model.workerInfo);
  }

  /** Takes {@link drainWorkers} back from those that have not left. */
  async resumeWorkers(which: WorkerSelection, options: CallOptions = {}): Promise<model.WorkerInfo[]> {
    const answer = await this.connection.unary(
      "WorkerService/ResumeWorkers",
      api.ResumeWorkersRequestSchema,
      api.ResumeWorkersResponseSchema,
      create(api.ResumeWorkersRequestSchema, which),
      options,
    );
    return answer.workers.map(model.workerInfo);
  }

  /** Changes what holds the activity's tasks back, durably. */
  async updateActivity(
    activityArn: string,
    options: CallOptions & UpdateActivityOptions = {},
  ): Promise<model.ActivitySettings> {
    const { paused, requiredLabels, maxConcurrency, maxRate, awayMax } = options;
    const answer = await this.connection.unary(
      "ActivityService/UpdateActivity",
      api.UpdateActivityRequestSchema,
      api.UpdateActivityResponseSchema,
      create(api.UpdateActivityRequestSchema, {
        activityArn,
        ...(paused !== undefined && { paused }),
        ...(requiredLabels !== undefined && { requiredLabels: { labels: requiredLabels } }),
        ...(maxConcurrency !== undefined && { maxConcurrency }),
        ...(maxRate !== undefined && { maxRate }),
        ...(awayMax !== undefined && { awayMax: model.awayMax(awayMax) }),
      }),
      options,
    );
    return model.activitySettings(answer.settings);
  }

  /**
   * Fails waiting tasks with `Stepfleet.TaskPurged`; gives how many. Those that a worker has go on.
   *
   * @param options `until`: tasks that were scheduled by then, by now without it. `cause`: the cause in the histories.
   */
  async purgeActivity(
    activityArn: string,
    options: CallOptions & { until?: Date; cause?: string } = {},
  ): Promise<number> {
    const { until, cause = "" } = options;
    let scheduledUntil = until && timestampFromDate(until);
    for (let purged = 0; ; ) {
      const answer = await this.connection.unary(
        "ActivityService/PurgeActivity",
        api.PurgeActivityRequestSchema,
        api.PurgeActivityResponseSchema,
        create(api.PurgeActivityRequestSchema, { activityArn, cause, ...(scheduledUntil && { scheduledUntil }) }),
        options,
      );
      purged += Number(answer.purged);
      if (!answer.more) return purged;
      scheduledUntil = answer.scheduledUntil;
    }
  }

  /** The queue of an activity, its workers, and what happened in the last minutes. */
  async getActivityStats(activityArn: string, options: CallOptions = {}): Promise<model.ActivityStats> {
    const answer = await this.connection.unary(
      "ActivityService/GetActivityStats",
      api.GetActivityStatsRequestSchema,
      api.GetActivityStatsResponseSchema,
      create(api.GetActivityStatsRequestSchema, { activityArn }),
      options,
    );
    return {
      arn: answer.activityArn,
      queued: Number(answer.queued),
      oldestAgeMs: Number(answer.oldestAgeMs),
      inHand: Number(answer.inHand),
      workers: Number(answer.workers),
      slots: Number(answer.slots),
      slotsUsed: Number(answer.slotsUsed),
      pollers: Number(answer.pollers),
      windowMs: Number(answer.windowMs),
      started: Number(answer.started),
      succeeded: Number(answer.succeeded),
      failed: Number(answer.failed),
      timedOut: Number(answer.timedOut),
      startLatencyP50Ms: Number(answer.startLatencyP50Ms),
      startLatencyP99Ms: Number(answer.startLatencyP99Ms),
      unserved: answer.unserved,
      settings: model.activitySettings(answer.settings),
      unplaceable: answer.unplaceable.map(({ labels, queued }) => ({ labels, queued: Number(queued) })),
    };
  }
}
