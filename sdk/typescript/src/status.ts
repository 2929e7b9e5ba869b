// How the end of a gRPC call becomes one of our errors. The reason decides, never the message.
import { fromBinary } from "@bufbuild/protobuf";
import { type ServiceError, status } from "@grpc/grpc-js";
import { ApiError, BY_REASON, type StepfleetError, TransportError } from "./errors.js";
import {
  type ErrorInfo,
  ErrorInfoSchema,
  type RetryInfo,
  RetryInfoSchema,
  StatusSchema,
} from "./gen/stepfleet/sdk/status_pb.js";

const DETAILS = "grpc-status-details-bin";
const LOST: readonly status[] = [status.UNAVAILABLE, status.CANCELLED, status.DEADLINE_EXCEEDED];

/** The error that a status stands for. */
export function errorOf(error: ServiceError): StepfleetError {
  const { info, retry } = details(error);
  const delay = retry?.retryDelay;
  const retryAfterMs = delay && Number(delay.seconds) * 1000 + delay.nanos / 1e6;
  if (info !== undefined) {
    const kind = Object.hasOwn(BY_REASON, info.reason) ? BY_REASON[info.reason] : undefined;
    return new (kind ?? ApiError)(info.reason, error.details, error.code, retryAfterMs);
  }
  // A connection that breaks in the middle of an answer is told as an internal error of the stream.
  const broken = error.code === status.INTERNAL && /RST_STREAM|ECONNRESET|EPIPE/.test(error.details);
  if (LOST.includes(error.code) || broken) {
    return new TransportError(`cannot reach the coordinator: ${error.details || status[error.code]}`);
  }
  return new ApiError(camel(status[error.code] ?? "UNKNOWN"), error.details, error.code, retryAfterMs);
}

function details(error: ServiceError): { info?: ErrorInfo; retry?: RetryInfo } {
  const found: { info?: ErrorInfo; retry?: RetryInfo } = {};
  for (const value of error.metadata?.get(DETAILS) ?? []) {
    if (typeof value === "string") continue;
    try {
      for (const detail of fromBinary(StatusSchema, value).details) {
        const name = detail.typeUrl.slice(detail.typeUrl.lastIndexOf("/") + 1);
        if (name === "google.rpc.ErrorInfo") found.info = fromBinary(ErrorInfoSchema, detail.value);
        if (name === "google.rpc.RetryInfo") found.retry = fromBinary(RetryInfoSchema, detail.value);
      }
    } catch {
      // Something between us and the coordinator made it up; the code still tells.
    }
  }
  return found;
}

function camel(name: string): string {
  const words = name.toLowerCase().split("_");
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}
