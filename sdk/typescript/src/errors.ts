// What can go wrong. A refusal by the coordinator is an `ApiError`; each of AWS's exception names is a class of it.
import { status } from "@grpc/grpc-js";

/** Whatever this library throws. */
export class StepfleetError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }

  /** Whether the same request may succeed later without any change. */
  get isRetryable(): boolean {
    return false;
  }
}

/** The coordinator refused the request. Ask for a class of it (`instanceof StateMachineDoesNotExist`, …) to decide. */
export class ApiError extends StepfleetError {
  /** AWS's exception name; that of the gRPC code when something else than a coordinator answered (a proxy). */
  readonly reason: string;
  /** The gRPC status code. */
  readonly code: status;
  /** When the coordinator asks to be called again, milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(reason: string, message: string, code: status, retryAfterMs?: number) {
    super(`${reason}: ${message}`);
    this.reason = reason;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }

  override get isRetryable(): boolean {
    const throttled = this.code === status.RESOURCE_EXHAUSTED && this.retryAfterMs !== undefined;
    return throttled || this.code === status.UNAVAILABLE;
  }
}

/** The coordinator was not reached, or its answer was lost: the request may or may not have had its effect. */
export class TransportError extends StepfleetError {
  override get isRetryable(): boolean {
    return true;
  }
}

/** Options that cannot work: a malformed URL, an unreadable key file, an activity registered twice, … */
export class ConfigurationError extends StepfleetError {}

/** A value of the program cannot be written as JSON. */
export class EncodeError extends StepfleetError {}

/** A JSON text of the coordinator is none, or does not have the shape that the program asked for. */
export class DecodeError extends StepfleetError {}

/** The execution that was waited for did not succeed. */
export class ExecutionError extends StepfleetError {
  /** How it ended: `FAILED`, `TIMED_OUT` or `ABORTED`. */
  readonly status: string;
  /** Error name, where the execution has one. */
  readonly error: string | undefined;
  /** Explanation, where the execution has one. */
  override readonly cause: string | undefined;

  constructor(status: string, error: string | undefined, cause: string | undefined) {
    super(`execution ended as ${status}: ${error ?? "no error name"}: ${cause ?? "no cause"}`);
    this.status = status;
    this.error = error;
    this.cause = cause;
  }
}

/** A worker that was asked to stop had to leave before all was done. */
export class Abandoned extends StepfleetError {
  /** Handlers that went on beyond the grace period. */
  readonly unfinished: number;
  /** Results that the coordinator did not confirm in time. */
  readonly unconfirmed: number;

  constructor(unfinished: number, unconfirmed: number) {
    super(`worker left with ${unfinished} tasks unfinished and ${unconfirmed} results unconfirmed`);
    this.unfinished = unfinished;
    this.unconfirmed = unconfirmed;
  }
}

/** The key or the signature may not do this. */
export class AccessDeniedException extends ApiError {}

/** An activity of this name has other settings. */
export class ActivityAlreadyExists extends ApiError {}

/** There is no such activity. */
export class ActivityDoesNotExist extends ApiError {}

/** There are as many activities as there may be. */
export class ActivityLimitExceeded extends ApiError {}

/** As many workers wait for this activity as may. */
export class ActivityWorkerLimitExceeded extends ApiError {}

/** Another request changes the same thing now. */
export class ConflictException extends ApiError {}

/** The name was used by another execution. */
export class ExecutionAlreadyExists extends ApiError {}

/** There is no such execution. */
export class ExecutionDoesNotExist extends ApiError {}

/** As many executions run as may. */
export class ExecutionLimitExceeded extends ApiError {}

/** The execution cannot be redriven; the message says why. */
export class ExecutionNotRedrivable extends ApiError {}

/** Parts of the signature are missing. */
export class IncompleteSignature extends ApiError {}

/** The coordinator failed; its log says how. */
export class InternalServerError extends ApiError {}

/** The ARN is malformed. */
export class InvalidArn extends ApiError {}

/** The definition is no valid Amazon States Language. */
export class InvalidDefinition extends ApiError {}

/** The encryption configuration is not valid. */
export class InvalidEncryptionConfiguration extends ApiError {}

/** The input is no JSON. */
export class InvalidExecutionInput extends ApiError {}

/** The logging configuration is not valid. */
export class InvalidLoggingConfiguration extends ApiError {}

/** The name has characters or a length that names may not have. */
export class InvalidName extends ApiError {}

/** The output is no JSON, or too large. */
export class InvalidOutput extends ApiError {}

/** The signature does not fit the request. */
export class InvalidSignatureException extends ApiError {}

/** The task token is malformed. */
export class InvalidToken extends ApiError {}

/** The request shows no key, and one is asked for. */
export class MissingAuthenticationTokenException extends ApiError {}

/** A parameter is missing. */
export class MissingRequiredParameter extends ApiError {}

/** There is no such resource. */
export class ResourceNotFound extends ApiError {}

/** The request could not be read. */
export class SerializationException extends ApiError {}

/** A quota is used up. */
export class ServiceQuotaExceededException extends ApiError {}

/** The coordinator cannot do it now; the same request may succeed later. */
export class ServiceUnavailable extends ApiError {}

/** A state machine of this name has another definition or other settings. */
export class StateMachineAlreadyExists extends ApiError {}

/** The state machine is being deleted. */
export class StateMachineDeleting extends ApiError {}

/** There is no such state machine. */
export class StateMachineDoesNotExist extends ApiError {}

/** There are as many state machines as there may be. */
export class StateMachineLimitExceeded extends ApiError {}

/** State machines of this type cannot do this. */
export class StateMachineTypeNotSupported extends ApiError {}

/** There is no such task (any more). */
export class TaskDoesNotExist extends ApiError {}

/** The attempt is over: it timed out, was closed, or its execution ended. */
export class TaskTimedOut extends ApiError {}

/** Too many requests; `retryAfterMs` says when to come again. */
export class ThrottlingException extends ApiError {}

/** A resource has at most 50 tags. */
export class TooManyTags extends ApiError {}

/** The coordinator does not know this operation. */
export class UnknownOperationException extends ApiError {}

/** Nobody has this key. */
export class UnrecognizedClientException extends ApiError {}

/** A parameter is not valid; the message says which. */
export class ValidationException extends ApiError {}

/** Every class of `ApiError` by its name. */
export const BY_REASON: Readonly<Record<string, typeof ApiError>> = {
  AccessDeniedException,
  ActivityAlreadyExists,
  ActivityDoesNotExist,
  ActivityLimitExceeded,
  ActivityWorkerLimitExceeded,
  ConflictException,
  ExecutionAlreadyExists,
  ExecutionDoesNotExist,
  ExecutionLimitExceeded,
  ExecutionNotRedrivable,
  IncompleteSignature,
  InternalServerError,
  InvalidArn,
  InvalidDefinition,
  InvalidEncryptionConfiguration,
  InvalidExecutionInput,
  InvalidLoggingConfiguration,
  InvalidName,
  InvalidOutput,
  InvalidSignatureException,
  InvalidToken,
  MissingAuthenticationTokenException,
  MissingRequiredParameter,
  ResourceNotFound,
  SerializationException,
  ServiceQuotaExceededException,
  ServiceUnavailable,
  StateMachineAlreadyExists,
  StateMachineDeleting,
  StateMachineDoesNotExist,
  StateMachineLimitExceeded,
  StateMachineTypeNotSupported,
  TaskDoesNotExist,
  TaskTimedOut,
  ThrottlingException,
  TooManyTags,
  UnknownOperationException,
  UnrecognizedClientException,
  ValidationException,
};
