// A coordinator that does what a real one does rarely, for tests of the stream's protocol.
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import * as sdk from "stepfleet-sdk";
import * as api from "stepfleet-sdk/api";
import { Lines, until } from "./harness.js";

type Message = MessageInitShape<typeof api.CoordinatorMessageSchema>;

/** One connection of a worker, as the coordinator sees it. */
export class Stream {
  readonly hello: api.Hello;
  readonly received: api.WorkerMessage[] = [];
  /** The connection breaks when the worker has said its last. */
  breaks = false;
  readonly #call: ServerDuplexStream<api.WorkerMessage, api.CoordinatorMessage>;

  constructor(hello: api.Hello, call: ServerDuplexStream<api.WorkerMessage, api.CoordinatorMessage>) {
    this.hello = hello;
    this.#call = call;
  }

  send(message: Message): void {
    this.#call.write(create(api.CoordinatorMessageSchema, message));
  }

  push(number: number, taskToken: string, more: MessageInitShape<typeof api.PushSchema> = {}): void {
    this.send({ pushes: [{ number: BigInt(number), taskToken, input: "null", ...more }] });
  }

  results(): [string, number, string][] {
    return this.received
      .flatMap((message) => message.results)
      .map(({ taskToken, number, outcome }) => {
        const told = outcome.case === "failure" ? `!${outcome.value.error}` : String(outcome.value);
        return [taskToken, Number(number), told];
      });
  }

  beats(): [string, string][] {
    return this.received.flatMap((message) => message.heartbeats).map(({ taskToken, details }) => [taskToken, details]);
  }

  returned(): string[] {
    return this.received.flatMap((message) => message.returned);
  }
}

type Answer = (reply: (error: object | null, answer?: object) => void) => void;

/** A coordinator that does what the test says. */
export class Fake {
  readonly streams: Stream[] = [];
  readonly requests: api.StartExecutionRequest[] = [];
  answers: Answer[] = [];
  readonly #server = new Server();

  static async start(t: TestContext): Promise<{ fake: Fake; client: sdk.Client }> {
    const fake = new Fake();
    const service: ServiceDefinition = {
      work: method("FleetService/Work", true, api.WorkerMessageSchema, api.CoordinatorMessageSchema),
      start: method(
        "ExecutionService/StartExecution",
        false,
        api.StartExecutionRequestSchema,
        api.StartExecutionResponseSchema,
      ),
    };
    const implementation: UntypedServiceImplementation = {
      work: (call: ServerDuplexStream<api.WorkerMessage, api.CoordinatorMessage>) => fake.work(call),
      start: (call: { request: api.StartExecutionRequest }, reply: Parameters<Answer>[0]) => {
        fake.requests.push(call.request);
        fake.answers.shift()?.(reply);
      },
    };
    fake.#server.addService(service, implementation);
    const port = await new Promise<number>((resolve, reject) => {
      fake.#server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      );
    });
    t.after(() => fake.#server.forceShutdown());
    const client = new sdk.Client(`http://127.0.0.1:${port}`);
    t.after(() => client.close());
    return { fake, client };
  }

  work(call: ServerDuplexStream<api.WorkerMessage, api.CoordinatorMessage>): void {
    let stream: Stream | undefined;
    call.on("data", (message: api.WorkerMessage) => {
      if (message.hello !== undefined) {
        stream = new Stream(message.hello, call);
        this.streams.push(stream);
      } else {
        stream?.received.push(message);
      }
    });
    call.on("end", () => {
      if (stream?.breaks) call.emit("error", { code: status.UNAVAILABLE, details: "gone" });
      else call.end();
    });
    call.on("error", () => {});
  }

  /** The next connection. */
  async next(): Promise<Stream> {
    await until("a connection", () => this.streams.length > 0);
    return this.streams.shift() as Stream;
  }
}

function method(path: string, streams: boolean, input: never | object, output: object) {
  const [from, to] = [input as typeof api.HelloSchema, output as typeof api.HelloSchema];
  return {
    path: `/stepfleet.v1.${path}`,
    requestStream: streams,
    responseStream: streams,
    requestSerialize: (message: api.Hello) => Buffer.from(toBinary(from, message)),
    requestDeserialize: (bytes: Buffer) => fromBinary(from, bytes),
    responseSerialize: (message: api.Hello) => Buffer.from(toBinary(to, message)),
    responseDeserialize: (bytes: Buffer) => fromBinary(to, bytes),
  };
}

export const answer: Answer = (reply) =>
  reply(null, create(api.StartExecutionResponseSchema, { executionArn: "arn:execution" }));

/** One field of a message, as it is on the wire. */
function field(number: number, value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value);
  assert.ok(bytes.length < 128);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
}

export function refuse(code: status, reason: string, retryAfterMs?: number): Answer {
  const detail = (name: string, value: Uint8Array) =>
    field(3, Buffer.concat([field(1, `type.googleapis.com/google.rpc.${name}`), field(2, value)]));
  const details = [detail("ErrorInfo", field(1, reason))];
  if (retryAfterMs !== undefined) {
    const nanos = retryAfterMs * 1e6;
    const varint: number[] = [];
    for (let rest = nanos; rest > 0; rest = Math.floor(rest / 128))
      varint.push(rest >= 128 ? (rest % 128) | 128 : rest);
    details.push(detail("RetryInfo", field(1, Buffer.from([16, ...varint]))));
  }
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.concat(details));
  return (reply) => reply({ code, details: "refused", metadata });
}

export interface Serving {
  fake: Fake;
  stream: Stream;
  shutdown: AbortController;
  lines: Lines;
  running: Promise<void>;
  worker: sdk.Worker;
}

/** Runs a worker of the activity `a`. */
export async function serving(
  t: TestContext,
  handler: (task: sdk.Task<number>) => unknown,
  slots = 2,
): Promise<Serving> {
  const { fake, client } = await Fake.start(t);
  const lines = new Lines();
  const options = { name: "w", buildId: "b1", labels: { zone: "z" }, log: lines, graceMs: 0, stopTimeoutMs: 0 };
  const worker = new sdk.Worker(client, { ...options, confirmTimeoutMs: 200 }).activity("a", handler, { slots });
  const shutdown = new AbortController();
  const running = worker.run({ signal: shutdown.signal });
  t.after(async () => {
    shutdown.abort();
    await running.catch((error: unknown) => assert.ok(error instanceof sdk.Abandoned));
  });
  const stream = await fake.next();
  stream.send({ welcome: {} });
  return { fake, stream, shutdown, lines, running, worker };
}
