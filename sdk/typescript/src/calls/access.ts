// Who may work here, and what they may do: credentials that the coordinator issues, and policies.
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import * as api from "../api.js";
import type { CallOptions } from "../connection.js";
import * as model from "../model.js";
import { type ListOptions, pages } from "./base.js";
import { Workers } from "./workers.js";

/** Where something belongs. */
export interface NamespaceOptions {
  /** An account id; the caller's own without. */
  namespace?: string;
}

/** What a credential is made with. */
export interface IssueCredentialOptions extends NamespaceOptions {
  /** An access key for AWS SDKs instead of an API key. */
  accessKey?: boolean;
  /** Until when it is good; for ever without. */
  expirationDate?: Date;
}

/** Credentials and policies. */
export abstract class Access extends Workers {
  /**
   * Makes a credential. Its secret stands in this answer alone, so the call is never repeated.
   *
   * @param name The principal's name.
   * @param policies Names of what its owner may do.
   */
  async issueCredential(
    name: string,
    policies: readonly string[],
    options: CallOptions & IssueCredentialOptions = {},
  ): Promise<model.IssuedCredential> {
    const { accessKey = false, expirationDate, namespace = "" } = options;
    const answer = await this.connection.unary(
      "AccessService/IssueCredential",
      api.IssueCredentialRequestSchema,
      api.IssueCredentialResponseSchema,
      create(api.IssueCredentialRequestSchema, {
        name,
        policies: [...policies],
        kind: accessKey ? api.CredentialKind.ACCESS_KEY : api.CredentialKind.API_KEY,
        expirationDate: expirationDate && timestampFromDate(expirationDate),
        namespace,
      }),
      { ...options, repeat: false },
    );
    return { credential: model.credential(answer.credential), secret: answer.secret };
  }

  /** Credentials by name; revoked and expired ones stay for 90 days. */
  async *listCredentials(
    options: ListOptions & NamespaceOptions = {},
  ): AsyncGenerator<model.Credential, void, undefined> {
    const { pageSize = 0, namespace = "" } = options;
    const fetch = (pageToken: string) =>
      this.connection.unary(
        "AccessService/ListCredentials",
        api.ListCredentialsRequestSchema,
        api.ListCredentialsResponseSchema,
        create(api.ListCredentialsRequestSchema, { pageSize, pageToken, namespace }),
        options,
      );
    for await (const page of pages(fetch)) yield* page.credentials.map(model.credential);
  }

  /** Gives a credential another secret; the one before stays good for the overlap, 24 hours without one. Never repeated. */
  async rotateCredential(
    name: string,
    options: CallOptions & NamespaceOptions & { overlapSeconds?: number } = {},
  ): Promise<model.IssuedCredential> {
    const { overlapSeconds = 86_400, namespace = "" } = options;
    const answer = await this.connection.unary(
      "AccessService/RotateCredential",
      api.RotateCredentialRequestSchema,
      api.RotateCredentialResponseSchema,
      create(api.RotateCredentialRequestSchema, { name, overlapSeconds, namespace }),
      { ...options, repeat: false },
    );
    return { credential: model.credential(answer.credential), secret: answer.secret };
  }

  /** Ends a credential at once, with its open streams and polls. */
  async revokeCredential(name: string, options: CallOptions & NamespaceOptions = {}): Promise<model.Credential> {
    const answer = await this.connection.unary(
      "AccessService/RevokeCredential",
      api.RevokeCredentialRequestSchema,
      api.RevokeCredentialResponseSchema,
      create(api.RevokeCredentialRequestSchema, { name, namespace: options.namespace ?? "" }),
      options,
    );
    return model.credential(answer.credential);
  }

  /**
   * Stores a policy, or changes it; gives its patterns of actions that no action follows.
   *
   * @param document As IAM has it: JSON text, or its value.
   */
  async putPolicy(
    name: string,
    document: string | object,
    options: CallOptions & NamespaceOptions = {},
  ): Promise<string[]> {
    const text = typeof document === "string" ? document : JSON.stringify(document);
    const answer = await this.connection.unary(
      "AccessService/PutPolicy",
      api.PutPolicyRequestSchema,
      api.PutPolicyResponseSchema,
      create(api.PutPolicyRequestSchema, { name, document: text, namespace: options.namespace ?? "" }),
      options,
    );
    return answer.unknownActions;
  }

  /** Policies by name: those that are always there, those of the configuration, and stored ones. */
  async listPolicies(options: CallOptions & NamespaceOptions = {}): Promise<model.PolicyInfo[]> {
    const answer = await this.connection.unary(
      "AccessService/ListPolicies",
      api.ListPoliciesRequestSchema,
      api.ListPoliciesResponseSchema,
      create(api.ListPoliciesRequestSchema, { namespace: options.namespace ?? "" }),
      options,
    );
    return answer.policies.map(model.policyInfo);
  }

  /** A policy, and its document. */
  async describePolicy(name: string, options: CallOptions & NamespaceOptions = {}): Promise<model.PolicyDescription> {
    const answer = await this.connection.unary(
      "AccessService/DescribePolicy",
      api.DescribePolicyRequestSchema,
      api.DescribePolicyResponseSchema,
      create(api.DescribePolicyRequestSchema, { name, namespace: options.namespace ?? "" }),
      options,
    );
    return { policy: model.policyInfo(answer.policy), document: answer.document };
  }

  /** Deletes a stored policy that no credential has; one that is not there is fine. */
  async deletePolicy(name: string, options: CallOptions & NamespaceOptions = {}): Promise<void> {
    await this.connection.unary(
      "AccessService/DeletePolicy",
      api.DeletePolicyRequestSchema,
      api.DeletePolicyResponseSchema,
      create(api.DeletePolicyRequestSchema, { name, namespace: options.namespace ?? "" }),
      options,
    );
  }

  /**
   * Whether a principal's policies allow an action, without doing it.
   *
   * @param principal Name of a credential, or of a key or certificate of the configuration.
   * @param action As in `states:StartExecution`.
   * @param resource ARN of what it would be on; everything without.
   */
  async testPolicy(
    principal: string,
    action: string,
    resource = "",
    options: CallOptions & NamespaceOptions = {},
  ): Promise<boolean> {
    const answer = await this.connection.unary(
      "AccessService/TestPolicy",
      api.TestPolicyRequestSchema,
      api.TestPolicyResponseSchema,
      create(api.TestPolicyRequestSchema, { principal, action, resource, namespace: options.namespace ?? "" }),
      options,
    );
    return answer.decision === api.PolicyDecision.ALLOWED;
  }
}
