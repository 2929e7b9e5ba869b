// Versions of state machines, which never change, aliases that lead to them, and tags.
import { create } from "@bufbuild/protobuf";
import * as api from "../api.js";
import type { CallOptions } from "../connection.js";
import * as model from "../model.js";
import { type ListOptions, pages } from "./base.js";
import { StateMachines } from "./stateMachines.js";

/** Publishing versions, routing aliases to them, tagging. */
export abstract class Versions extends StateMachines {
  /**
   * Publishes the current revision; one that has a version already gives that version.
   *
   * @param options `revisionId`: refuses when this is not the current one; `INITIAL` is the first one.
   */
  async publishStateMachineVersion(
    stateMachineArn: string,
    options: CallOptions & { revisionId?: string; description?: string } = {},
  ): Promise<model.Version> {
    const { revisionId = "", description } = options;
    const answer = await this.connection.unary(
      "VersionService/PublishStateMachineVersion",
      api.PublishStateMachineVersionRequestSchema,
      api.PublishStateMachineVersionResponseSchema,
      create(api.PublishStateMachineVersionRequestSchema, {
        stateMachineArn,
        revisionId,
        ...(description !== undefined && { description }),
      }),
      options,
    );
    return { arn: answer.stateMachineVersionArn, creationDate: model.date(answer.creationDate) };
  }

  /** Deletes a version that no alias leads to; one that is not there is fine. */
  async deleteStateMachineVersion(versionArn: string, options: CallOptions = {}): Promise<void> {
    await this.connection.unary(
      "VersionService/DeleteStateMachineVersion",
      api.DeleteStateMachineVersionRequestSchema,
      api.DeleteStateMachineVersionResponseSchema,
      create(api.DeleteStateMachineVersionRequestSchema, { stateMachineVersionArn: versionArn }),
      options,
    );
  }

  /** The versions of a state machine, newest first. */
  async *listStateMachineVersions(
    stateMachineArn: string,
    options: ListOptions = {},
  ): AsyncGenerator<model.Version, void, undefined> {
    const { pageSize = 0 } = options;
    const fetch = (pageToken: string) =>
      this.connection.unary(
        "VersionService/ListStateMachineVersions",
        api.ListStateMachineVersionsRequestSchema,
        api.ListStateMachineVersionsResponseSchema,
        create(api.ListStateMachineVersionsRequestSchema, { stateMachineArn, pageSize, pageToken }),
        options,
      );
    for await (const page of pages(fetch)) {
      for (const item of page.stateMachineVersions) {
        yield { arn: item.stateMachineVersionArn, creationDate: model.date(item.creationDate) };
      }
    }
  }

  /**
   * Creates an alias; repeating the same request gives the same answer.
   *
   * @param routes One or two versions of one state machine, with weights that add up to 100.
   */
  async createStateMachineAlias(
    name: string,
    routes: readonly model.Route[],
    options: CallOptions & { description?: string } = {},
  ): Promise<model.Created> {
    const { description } = options;
    const answer = await this.connection.unary(
      "VersionService/CreateStateMachineAlias",
      api.CreateStateMachineAliasRequestSchema,
      api.CreateStateMachineAliasResponseSchema,
      create(api.CreateStateMachineAliasRequestSchema, {
        name,
        routingConfiguration: routing(routes),
        ...(description !== undefined && { description }),
      }),
      options,
    );
    return { arn: answer.stateMachineAliasArn, creationDate: model.date(answer.creationDate) };
  }

  /** Changes the description, the routes or both. */
  async updateStateMachineAlias(
    aliasArn: string,
    options: CallOptions & { routes?: readonly model.Route[]; description?: string },
  ): Promise<void> {
    const { routes = [], description } = options;
    await this.connection.unary(
      "VersionService/UpdateStateMachineAlias",
      api.UpdateStateMachineAliasRequestSchema,
      api.UpdateStateMachineAliasResponseSchema,
      create(api.UpdateStateMachineAliasRequestSchema, {
        stateMachineAliasArn: aliasArn,
        routingConfiguration: routing(routes),
        ...(description !== undefined && { description }),
      }),
      options,
    );
  }

  /** Deletes an alias; one that is not there is fine. */
  async deleteStateMachineAlias(aliasArn: string, options: CallOptions = {}): Promise<void> {
    await this.connection.unary(
      "VersionService/DeleteStateMachineAlias",
      api.DeleteStateMachineAliasRequestSchema,
      api.DeleteStateMachineAliasResponseSchema,
      create(api.DeleteStateMachineAliasRequestSchema, { stateMachineAliasArn: aliasArn }),
      options,
    );
  }

  /** Describes an alias. */
  async describeStateMachineAlias(aliasArn: string, options: CallOptions = {}): Promise<model.Alias> {
    const answer = await this.connection.unary(
      "VersionService/DescribeStateMachineAlias",
      api.DescribeStateMachineAliasRequestSchema,
      api.DescribeStateMachineAliasResponseSchema,
      create(api.DescribeStateMachineAliasRequestSchema, { stateMachineAliasArn: aliasArn }),
      options,
    );
    const routes = answer.routingConfiguration.map(({ stateMachineVersionArn, weight }) => ({
      versionArn: stateMachineVersionArn,
      weight,
    }));
    return {
      arn: answer.stateMachineAliasArn,
      name: answer.name,
      description: answer.description,
      routes,
      creationDate: model.date(answer.creationDate),
      updateDate: model.date(answer.updateDate),
    };
  }

  /** The aliases of a state machine, or those that lead to a version; newest first. */
  async *listStateMachineAliases(
    arn: string,
    options: ListOptions = {},
  ): AsyncGenerator<model.Created, void, undefined> {
    const { pageSize = 0 } = options;
    const fetch = (pageToken: string) =>
      this.connection.unary(
        "VersionService/ListStateMachineAliases",
        api.ListStateMachineAliasesRequestSchema,
        api.ListStateMachineAliasesResponseSchema,
        create(api.ListStateMachineAliasesRequestSchema, { stateMachineArn: arn, pageSize, pageToken }),
        options,
      );
    for await (const page of pages(fetch)) {
      for (const item of page.stateMachineAliases) {
        yield { arn: item.stateMachineAliasArn, creationDate: model.date(item.creationDate) };
      }
    }
  }

  /** Sets tags of a state machine or activity; the others stay. A resource has at most 50. */
  async tagResource(resourceArn: string, tags: Record<string, string>, options: CallOptions = {}): Promise<void> {
    await this.connection.unary(
      "TagService/TagResource",
      api.TagResourceRequestSchema,
      api.TagResourceResponseSchema,
      create(api.TagResourceRequestSchema, {
        resourceArn,
        tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
      }),
      options,
    );
  }

  /** Removes tags; keys that are not there are fine. */
  async untagResource(resourceArn: string, tagKeys: readonly string[], options: CallOptions = {}): Promise<void> {
    await this.connection.unary(
      "TagService/UntagResource",
      api.UntagResourceRequestSchema,
      api.UntagResourceResponseSchema,
      create(api.UntagResourceRequestSchema, { resourceArn, tagKeys: [...tagKeys] }),
      options,
    );
  }

  /** The tags of a state machine or activity, in the order in which they were set. */
  async listTagsForResource(resourceArn: string, options: CallOptions = {}): Promise<Record<string, string>> {
    const { tags } = await this.connection.unary(
      "TagService/ListTagsForResource",
      api.ListTagsForResourceRequestSchema,
      api.ListTagsForResourceResponseSchema,
      create(api.ListTagsForResourceRequestSchema, { resourceArn }),
      options,
    );
    return Object.fromEntries(tags.map(({ key, value }) => [key, value]));
  }
}

function routing(routes: readonly model.Route[]) {
  return routes.map(({ versionArn, weight }) => ({ stateMachineVersionArn: versionArn, weight }));
}
