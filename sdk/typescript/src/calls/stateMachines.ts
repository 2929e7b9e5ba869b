// State machines: definitions and their revisions.
import { create } from "@bufbuild/protobuf";
import * as api from "../api.js";
import type { CallOptions } from "../connection.js";
import { type Document, decode, document, encode } from "../json.js";
import * as model from "../model.js";
import { Calls, type ListOptions, pages } from "./base.js";

/** What a state machine is created with, beside name and definition. */
export interface CreateStateMachineOptions extends CallOptions {
  /** Kept and given back; the installation's default otherwise. */
  roleArn?: string;
  /** STANDARD by default. */
  type?: model.StateMachineType;
  /** At most 50. */
  tags?: Record<string, string>;
  /** Publishes a version of the first revision. */
  publish?: boolean;
  versionDescription?: string;
  /** Kept and given back without effect, like the other two. */
  loggingConfiguration?: Document;
  tracingConfiguration?: Document;
  encryptionConfiguration?: Document;
}

/** What is changed about a state machine. */
export interface UpdateStateMachineOptions extends CallOptions {
  definition?: Document;
  roleArn?: string;
  /** Publishes a version of what is current then. */
  publish?: boolean;
  versionDescription?: string;
  loggingConfiguration?: Document;
  tracingConfiguration?: Document;
  encryptionConfiguration?: Document;
}

/** What one state is tested with. */
export interface TestStateOptions extends CallOptions {
  /** Which state of a whole state machine. */
  stateName?: string;
  /** An empty object by default. */
  input?: unknown;
  /** A Task without a mock needs one. */
  roleArn?: string;
  /** The variables that are set. */
  variables?: Record<string, unknown>;
  /** Members of the context object; only with a mock. */
  context?: Record<string, unknown>;
  /** What the work of a Task, Map or Parallel gives, or how it fails. */
  mock?: { result: unknown } | { error?: string; cause?: string };
  /** How a mocked result is held against what the service answers; STRICT by default. */
  fieldValidation?: "STRICT" | "PRESENT" | "NONE";
  /** How often the retrier that matches has retried already. */
  retrierRetryCount?: number;
  /** The state inside a Map or Parallel that a mocked error comes from. */
  errorCausedByState?: string;
  /** How many iterations of a distributed Map failed. */
  mapIterationFailureCount?: number;
  /** What the `ItemReader` of a distributed Map reads. */
  mapItemReaderData?: unknown[];
}

/** Creating, changing, describing and testing state machines. */
export abstract class StateMachines extends Calls {
  /**
   * Creates a state machine; repeating the same request gives the same answer.
   *
   * @param definition Amazon States Language, as JSON text or as a value.
   * @throws ApiError `InvalidDefinition`, `StateMachineAlreadyExists`, …
   */
  async createStateMachine(
    name: string,
    definition: Document,
    options: CreateStateMachineOptions = {},
  ): Promise<model.CreatedStateMachine> {
    const request = create(api.CreateStateMachineRequestSchema, {
      name,
      definition: document(definition),
      roleArn: options.roleArn ?? "",
      type: api.StateMachineType[options.type ?? "STANDARD"],
      tags: options.tags ?? {},
      publish: options.publish ?? false,
      ...(options.versionDescription !== undefined && { versionDescription: options.versionDescription }),
      loggingConfiguration: document(options.loggingConfiguration),
      tracingConfiguration: document(options.tracingConfiguration),
      encryptionConfiguration: document(options.encryptionConfiguration),
    });
    const answer = await this.connection.unary(
      "StateMachineService/CreateStateMachine",
      api.CreateStateMachineRequestSchema,
      api.CreateStateMachineResponseSchema,
      request,
      options,
    );
    return {
      arn: answer.stateMachineArn,
      creationDate: model.date(answer.creationDate),
      warnings: model.diagnostics(answer.warnings),
      versionArn: answer.stateMachineVersionArn || undefined,
    };
  }

  /**
   * Changes what is given; running executions keep their revision. Never repeated by itself.
   *
   * @throws ApiError `StateMachineDoesNotExist`, `InvalidDefinition`, …
   */
  async updateStateMachine(arn: string, options: UpdateStateMachineOptions): Promise<model.UpdatedStateMachine> {
    const request = create(api.UpdateStateMachineRequestSchema, {
      stateMachineArn: arn,
      publish: options.publish ?? false,
    });
    if (options.definition !== undefined) request.definition = document(options.definition);
    if (options.roleArn !== undefined) request.roleArn = options.roleArn;
    if (options.versionDescription !== undefined) request.versionDescription = options.versionDescription;
    for (const name of ["loggingConfiguration", "tracingConfiguration", "encryptionConfiguration"] as const) {
      if (options[name] !== undefined) request[name] = document(options[name]);
    }
    const answer = await this.connection.unary(
      "StateMachineService/UpdateStateMachine",
      api.UpdateStateMachineRequestSchema,
      api.UpdateStateMachineResponseSchema,
      request,
      { ...options, repeat: false },
    );
    return {
      updateDate: model.date(answer.updateDate),
      revisionId: answer.revisionId || undefined,
      warnings: model.diagnostics(answer.warnings),
      versionArn: answer.stateMachineVersionArn || undefined,
    };
  }

  /** Deletes a state machine; an unknown ARN is fine. */
  async deleteStateMachine(arn: string, options: CallOptions = {}): Promise<void> {
    await this.connection.unary(
      "StateMachineService/DeleteStateMachine",
      api.DeleteStateMachineRequestSchema,
      api.DeleteStateMachineResponseSchema,
      create(api.DeleteStateMachineRequestSchema, { stateMachineArn: arn }),
      options,
    );
  }

  /**
   * Describes a state machine, a version, or what an alias leads to.
   *
   * @throws ApiError `StateMachineDoesNotExist`, …
   */
  async describeStateMachine(arn: string, options: CallOptions = {}): Promise<model.StateMachine> {
    const answer = await this.connection.unary(
      "StateMachineService/DescribeStateMachine",
      api.DescribeStateMachineRequestSchema,
      api.DescribeStateMachineResponseSchema,
      create(api.DescribeStateMachineRequestSchema, { stateMachineArn: arn }),
      options,
    );
    return {
      arn: answer.stateMachineArn,
      name: answer.name,
      status: api.StateMachineStatus[answer.status] as model.StateMachine["status"],
      get definition() {
        return decode(answer.definition);
      },
      definitionText: answer.definition,
      roleArn: answer.roleArn,
      type: model.machineType(answer.type),
      creationDate: model.date(answer.creationDate),
      revisionId: answer.revisionId || undefined,
      variableReferences: model.references(answer.variableReferences),
      description: answer.description || undefined,
      loggingConfiguration: model.maybe(answer.loggingConfiguration),
      tracingConfiguration: model.maybe(answer.tracingConfiguration),
      encryptionConfiguration: model.maybe(answer.encryptionConfiguration),
    };
  }

  /**
   * Describes the state machine as an execution runs it.
   *
   * @throws ApiError `ExecutionDoesNotExist`, …
   */
  async describeStateMachineForExecution(
    executionArn: string,
    options: CallOptions = {},
  ): Promise<model.StateMachineForExecution> {
    const answer = await this.connection.unary(
      "StateMachineService/DescribeStateMachineForExecution",
      api.DescribeStateMachineForExecutionRequestSchema,
      api.DescribeStateMachineForExecutionResponseSchema,
      create(api.DescribeStateMachineForExecutionRequestSchema, { executionArn }),
      options,
    );
    return {
      arn: answer.stateMachineArn,
      name: answer.name,
      get definition() {
        return decode(answer.definition);
      },
      definitionText: answer.definition,
      roleArn: answer.roleArn,
      updateDate: model.date(answer.updateDate),
      revisionId: answer.revisionId || undefined,
      variableReferences: model.references(answer.variableReferences),
    };
  }

  /** All state machines; pages are fetched as they are needed. */
  async *listStateMachines(options: ListOptions = {}): AsyncGenerator<model.StateMachineListItem, void, undefined> {
    const fetch = (pageToken: string) =>
      this.connection.unary(
        "StateMachineService/ListStateMachines",
        api.ListStateMachinesRequestSchema,
        api.ListStateMachinesResponseSchema,
        create(api.ListStateMachinesRequestSchema, { pageSize: options.pageSize ?? 0, pageToken }),
        options,
      );
    for await (const page of pages(fetch)) {
      for (const item of page.stateMachines) {
        const [arn, name] = [item.stateMachineArn, item.name];
        yield { arn, name, type: model.machineType(item.type), creationDate: model.date(item.creationDate) };
      }
    }
  }

  /** Checks a definition without keeping it. */
  async validateStateMachineDefinition(
    definition: Document,
    options: CallOptions & { type?: model.StateMachineType; includeWarnings?: boolean } = {},
  ): Promise<model.Validation> {
    const { ok, diagnostics, truncated } = await this.connection.unary(
      "StateMachineService/ValidateStateMachineDefinition",
      api.ValidateStateMachineDefinitionRequestSchema,
      api.ValidateStateMachineDefinitionResponseSchema,
      create(api.ValidateStateMachineDefinitionRequestSchema, {
        definition: document(definition),
        type: api.StateMachineType[options.type ?? "STANDARD"],
        includeWarnings: options.includeWarnings ?? false,
      }),
      options,
    );
    return { ok, diagnostics: model.diagnostics(diagnostics), truncated };
  }

  /**
   * Does what one state does, once, with a mock in the place of its work. Nothing is stored, nothing waits.
   *
   * @param definition One state, or a whole state machine with `stateName`.
   * @throws ApiError `InvalidDefinition`, `ValidationException`, …
   */
  async testState(definition: Document, options: TestStateOptions = {}): Promise<model.TestedState> {
    const request = create(api.TestStateRequestSchema, {
      definition: document(definition),
      stateName: options.stateName ?? "",
      input: options.input === undefined ? "" : encode(options.input),
      roleArn: options.roleArn ?? "",
      variables: document(options.variables),
      context: document(options.context),
      fieldValidation: api.TestStateRequest_FieldValidation[options.fieldValidation ?? "STRICT"],
      retrierRetryCount: options.retrierRetryCount ?? 0,
      errorCausedByState: options.errorCausedByState ?? "",
      mapItemReaderData: options.mapItemReaderData === undefined ? "" : encode(options.mapItemReaderData),
    });
    if (options.mapIterationFailureCount !== undefined) {
      request.mapIterationFailureCount = options.mapIterationFailureCount;
    }
    if (options.mock !== undefined) {
      request.mock =
        "result" in options.mock
          ? { case: "mockResult", value: encode(options.mock.result) }
          : { case: "mockError", value: create(api.TestStateRequest_MockErrorSchema, options.mock) };
    }
    const answer = await this.connection.unary(
      "StateMachineService/TestState",
      api.TestStateRequestSchema,
      api.TestStateResponseSchema,
      request,
      options,
    );
    return {
      status: api.TestStateResponse_Status[answer.status] as model.TestedState["status"],
      get output() {
        return model.maybe(answer.output);
      },
      outputText: answer.output,
      error: answer.error,
      cause: answer.cause,
      nextState: answer.nextState,
      inspection: inspection(answer.inspection),
    };
  }
}

function inspection(given: api.TestStateResponse_Inspection | undefined): Record<string, unknown> {
  const members = Object.entries(given ?? {}).filter(([name, value]) => !name.startsWith("$") && value !== "");
  return Object.fromEntries(members.map(([name, value]) => [name, typeof value === "string" ? decode(value) : value]));
}
