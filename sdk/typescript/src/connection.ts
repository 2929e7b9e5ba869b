// The connection that all calls of a client share, and how a call is sent: with key and deadline, and again where it is
// harmless.
import { setTimeout as sleep } from "node:timers/promises";
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type ClientDuplexStream, Client as GrpcClient, type Metadata, type ServiceError } from "@grpc/grpc-js";
import type { Endpoint } from "./endpoint.js";
import { TransportError } from "./errors.js";
import { Attempts } from "./retry.js";
import { errorOf } from "./status.js";

/** What every call takes. */
export interface CallOptions {
  /** Gives up on the call; it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** How a call is sent. */
interface Sending extends CallOptions {
  /** Whether twice has the effect of once (the default); else the caller decides. */
  repeat?: boolean;
  /** Milliseconds that the coordinator may take on top of the request timeout. */
  extraMs?: number;
}

/** One HTTP/2 connection, made by the first call and made again after a break. */
export class Connection {
  readonly endpoint: Endpoint;
  readonly #client: GrpcClient;
  readonly #metadata: Metadata;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
    this.#client = new GrpcClient(endpoint.target, endpoint.credentials(), endpoint.channelOptions());
    this.#metadata = endpoint.metadata();
  }

  /** Resolves when the coordinator is reached. */
  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.waitForReady(Date.now() + this.endpoint.connectTimeoutMs, (error) => {
        if (error) reject(new TransportError(`cannot reach the coordinator at ${this.endpoint.url}`, { cause: error }));
        else resolve();
      });
    });
  }

  close(): void {
    this.#client.close();
  }

  /** Sends a request until it is answered, refused for good, or out of attempts. */
  async unary<I extends DescMessage, O extends DescMessage>(
    path: string,
    input: I,
    output: O,
    request: MessageShape<I>,
    { repeat = true, extraMs = 0, signal }: Sending = {},
  ): Promise<MessageShape<O>> {
    const attempts = new Attempts(repeat ? this.endpoint.retries : 0);
    for (;;) {
      try {
        return await this.#once(path, input, output, request, extraMs, signal);
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        await sleep(attempts.after(error), undefined, signal && { signal });
      }
    }
  }

  #once<I extends DescMessage, O extends DescMessage>(
    path: string,
    input: I,
    output: O,
    request: MessageShape<I>,
    extraMs: number,
    signal: AbortSignal | undefined,
  ): Promise<MessageShape<O>> {
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const deadline = Date.now() + this.endpoint.requestTimeoutMs + extraMs;
      const call = this.#client.makeUnaryRequest(
        `/stepfleet.v1.${path}`,
        (message: MessageShape<I>) => Buffer.from(toBinary(input, message)),
        (bytes: Buffer) => fromBinary(output, bytes),
        request,
        this.#metadata,
        { deadline },
        (error: ServiceError | null, answer?: MessageShape<O>) => {
          signal?.removeEventListener("abort", cancel);
          if (error !== null || answer === undefined)
            reject(error === null ? new TransportError("no answer") : errorOf(error));
          else resolve(answer);
        },
      );
      const cancel = () => call.cancel();
      signal?.addEventListener("abort", cancel, { once: true });
    });
  }

  /** The answers of a streaming call. */
  async *stream<I extends DescMessage, O extends DescMessage>(
    path: string,
    input: I,
    output: O,
    request: MessageShape<I>,
    signal?: AbortSignal,
  ): AsyncGenerator<MessageShape<O>, void, undefined> {
    signal?.throwIfAborted();
    const call = this.#client.makeServerStreamRequest(
      `/stepfleet.v1.${path}`,
      (message: MessageShape<I>) => Buffer.from(toBinary(input, message)),
      (bytes: Buffer) => fromBinary(output, bytes),
      request,
      this.#metadata,
    );
    const cancel = () => call.cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      for await (const answer of call) yield answer as MessageShape<O>;
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw isServiceError(error) ? errorOf(error) : error;
    } finally {
      signal?.removeEventListener("abort", cancel);
      // What is cancelled here is told to a stream that nobody reads any more.
      call.on("error", () => {});
      call.cancel();
    }
  }

  /** Begins a stream in both directions. */
  duplex<I extends DescMessage, O extends DescMessage>(
    path: string,
    input: I,
    output: O,
  ): ClientDuplexStream<MessageShape<I>, MessageShape<O>> {
    return this.#client.makeBidiStreamRequest(
      `/stepfleet.v1.${path}`,
      (message: MessageShape<I>) => Buffer.from(toBinary(input, message)),
      (bytes: Buffer) => fromBinary(output, bytes),
      this.#metadata,
    );
  }
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "details" in error && "metadata" in error;
}
