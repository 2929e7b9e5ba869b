// The worker against a coordinator that does what a real one does rarely: every part of the stream's protocol by itself.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
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
import { Gate, Lines, until } from "./harness.js";

type Message = MessageInitShape<typeof api.CoordinatorMessageSchema>;

/** One connection of a worker, as the coordinator sees it. */
class Stream {
  readonly hello: api.Hello;
  readonly received: api.WorkerMessage[] = [];
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
class Fake {
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
    call.on("end", () => call.end());
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

const answer: Answer = (reply) =>
  reply(null, create(api.StartExecutionResponseSchema, { executionArn: "arn:execution" }));

/** One field of a message, as it is on the wire. */
function field(number: number, value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value);
  assert.ok(bytes.length < 128);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
}

function refuse(code: status, reason: string, retryAfterMs?: number): Answer {
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

interface Serving {
  fake: Fake;
  stream: Stream;
  shutdown: AbortController;
  lines: Lines;
  running: Promise<void>;
}

/** Runs a worker of the activity `a`. */
async function serving(t: TestContext, handler: (task: sdk.Task<number>) => unknown, slots = 2): Promise<Serving> {
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
  return { fake, stream, shutdown, lines, running };
}

test("hello says who comes", async (t) => {
  const { stream } = await serving(t, () => {});
  const { workerName, buildId, labels, activities, held } = stream.hello;
  assert.deepEqual([workerName, buildId, { ...labels }, held], ["w", "b1", { zone: "z" }, []]);
  assert.deepEqual(
    activities.map(({ activity, slots }) => [activity, slots]),
    [["a", 2]],
  );
});

test("a task is what the push says", async (t) => {
  const seen: unknown[] = [];
  const { stream } = await serving(t, ({ token, executionArn, attempt, traceparent, heartbeatSeconds }) => {
    seen.push([token, executionArn, attempt, traceparent, heartbeatSeconds]);
  });
  stream.push(1, "t1", { executionArn: "arn:e", attempt: 2, traceparent: "00-a-b-01", heartbeatSeconds: 9 });
  stream.push(2, "t2");
  await until("both", () => stream.results().length === 2);
  assert.deepEqual(seen, [
    ["t1", "arn:e", 2, "00-a-b-01", 9],
    ["t2", "", 0, undefined, undefined],
  ]);
});

test("results are sent again until they are confirmed", async (t) => {
  const { fake, stream } = await serving(t, (task) => task.input);
  for (const number of [1, 2, 3]) stream.push(number, `t${number}`, { input: String(number) });
  await until("three results", () => stream.results().length === 3);
  stream.send({ confirmed: 1n, reconnectAfterMs: 1 });
  const second = await fake.next();
  assert.equal(second.hello.sessionId, stream.hello.sessionId);
  assert.deepEqual(second.hello.held, ["t2", "t3"]);
  second.send({ welcome: { resumed: true, confirmed: 2n } });
  await until("the rest", () => second.results().length > 0);
  assert.deepEqual(second.results(), [["t3", 3, "3"]]);
  assert.equal(second.received.at(-1)?.received, 3n);
});

test("a new session counts pushes anew and results on", async (t) => {
  const { fake, stream } = await serving(t, (task) => task.input);
  stream.push(7, "t1", { input: "1" });
  await until("a result", () => stream.results().length > 0);
  stream.send({ reconnectAfterMs: 1 });
  const second = await fake.next();
  second.send({ welcome: { resumed: false } });
  await until("it comes again", () => second.results().length > 0);
  assert.equal(second.received[0]?.received, 0n);
  second.push(1, "t2", { input: "2" });
  await until("the next", () => second.results().length === 2);
  assert.deepEqual(second.results(), [
    ["t1", 1, "1"],
    ["t2", 2, "2"],
  ]);
});

test("a refused output fails its task", async (t) => {
  const { stream, lines } = await serving(t, () => "x");
  stream.push(1, "t1");
  await until("a result", () => stream.results().length > 0);
  stream.send({ refused: [{ taskToken: "t1", reason: "InvalidOutput" }], confirmed: 1n });
  await until("a failure", () => stream.results().length === 2);
  assert.deepEqual(stream.results()[1], ["t1", 2, "!InvalidOutput"]);
  assert.ok(lines.lines.some((line) => /^warn the coordinator refused the result of task [0-9a-f]{8}/.test(line)));
});

test("progress goes out at once and heartbeats by themselves", async (t) => {
  const never = new Gate();
  const { fake, stream } = await serving(t, async (task) => {
    task.heartbeat({ done: 1 });
    task.heartbeat({ done: 2 });
    await never.opened;
  });
  stream.push(1, "t1", { heartbeatSeconds: 1 });
  await until("three heartbeats", () => stream.beats().length >= 3);
  assert.deepEqual(stream.beats().slice(0, 2), [
    ["t1", '{"done":2}'],
    ["t1", ""],
  ]);
  stream.send({ reconnectAfterMs: 1 });
  const second = await fake.next();
  second.send({ welcome: { resumed: true } });
  await until("a heartbeat first of all", () => second.beats().length > 0);
});

test("an attempt goes on from the one before", async (t) => {
  const { stream, lines } = await serving(t, async (task) => {
    const { row } = (task.lastProgress ?? { row: 0 }) as { row: number };
    assert.throws(() => task.heartbeat("x".repeat(8192)), /8194 bytes, of at most 8192/);
    task.heartbeat({ row: row + 1 });
    throw new sdk.TaskError("Boom");
  });
  stream.push(1, "t1");
  await until("a failure", () => stream.results().length === 1);
  stream.push(2, "t2", { lastProgress: '{"row":41}' });
  await until("another failure", () => stream.results().length === 2);
  assert.deepEqual(stream.beats(), [
    ["t1", '{"row":1}'],
    ["t2", '{"row":42}'],
  ]);
  stream.send({ refusedProgress: [{ taskToken: "t2", reason: "ProgressTooLarge" }], confirmed: 2n });
  await until("a warning", () => lines.lines.some((line) => line.includes("refused the progress of task")));
});

test("a push is acknowledged when nothing else goes out", async (t) => {
  const { stream } = await serving(t, () => new Gate().opened);
  stream.push(1, "t1");
  await until("an acknowledgement", () => stream.received.length > 0);
  assert.deepEqual(
    stream.received.map(({ received, results }) => [received, results.length]),
    [[1n, 0]],
  );
});

test("cancelled tasks leave their slot to those that wait", async (t) => {
  const begun: number[] = [];
  const cleanUp = new Gate();
  const handler = async (task: sdk.Task<number>) => {
    begun.push(task.input);
    if (task.input === 1) await cleanUp.opened;
    return task.input;
  };
  const { stream } = await serving(t, handler, 1);
  stream.push(1, "t1", { input: "1" });
  await until("the first has begun", () => begun.length > 0);
  stream.send({ cancelled: ["t1"], pushes: [{ number: 2n, taskToken: "t2", input: "2" }] });
  stream.push(3, "t3", { input: "3" });
  stream.send({ cancelled: ["t3"] });
  // Handed back at once: what was sent before has arrived.
  stream.push(4, "t4", { activity: 9 });
  await until("all has arrived", () => stream.returned().length > 0);
  cleanUp.open();
  await until("the second is done", () => stream.results().length > 0);
  assert.deepEqual([begun, stream.results()], [[1, 2], [["t2", 1, "2"]]]);
});

test("a draining worker hands back what has not begun", async (t) => {
  const { fake, client } = await Fake.start(t);
  const goOn = new Gate();
  const worker = new sdk.Worker(client, { log: new Lines() }).activity(
    "a",
    async (task: sdk.Task<number>) => {
      await goOn.opened;
      return task.input;
    },
    { slots: 1 },
  );
  const shutdown = new AbortController();
  const running = worker.run({ signal: shutdown.signal });
  const stream = await fake.next();
  stream.send({ welcome: {} });
  for (const number of [1, 2]) stream.push(number, `t${number}`, { input: String(number) });
  await until("both are there", () => stream.received.at(-1)?.received === 2n);
  shutdown.abort();
  await until("it drains", () => stream.received.some((message) => message.draining));
  stream.push(3, "t3");
  await until("two come back", () => stream.returned().length === 2);
  assert.deepEqual(stream.returned(), ["t2", "t3"]);
  goOn.open();
  await until("the result", () => stream.results().length > 0);
  stream.send({ confirmed: 1n });
  await running;
  assert.deepEqual(stream.results(), [["t1", 1, "1"]]);
});

test("a worker that is told to drain may be told to go on until it is done", async (t) => {
  const { fake, client } = await Fake.start(t);
  const goOn = new Gate();
  const worker = new sdk.Worker(client, { log: new Lines() }).activity(
    "a",
    async (task: sdk.Task<number>) => {
      await goOn.opened;
      return task.input;
    },
    { slots: 1 },
  );
  const running = worker.run({ signal: new AbortController().signal });
  const stream = await fake.next();
  stream.send({ welcome: {} });
  for (const number of [1, 2]) stream.push(number, `t${number}`, { input: String(number) });
  await until("both are there", () => stream.received.at(-1)?.received === 2n);
  stream.send({ order: api.Order.DRAIN });
  await until("one comes back", () => stream.returned().length === 1);
  stream.push(3, "t3");
  await until("it takes none", () => stream.returned().length === 2);
  stream.send({ order: api.Order.RESUME });
  stream.push(4, "t4", { input: "4" });
  assert.ok(!stream.received.some((message) => message.draining));
  goOn.open();
  await until("two results", () => stream.results().length === 2);
  stream.send({ confirmed: 2n });
  stream.send({ order: api.Order.DRAIN });
  await running;
  assert.ok(stream.received.some((message) => message.draining));
  assert.deepEqual(stream.returned(), ["t2", "t3"]);
  assert.deepEqual(stream.results(), [
    ["t1", 1, "1"],
    ["t4", 2, "4"],
  ]);
});

test("a throttled start is repeated after the hint under one name", async (t) => {
  const { fake, client } = await Fake.start(t);
  const throttled = refuse(status.RESOURCE_EXHAUSTED, "ThrottlingException", 200);
  fake.answers = [throttled, refuse(status.UNAVAILABLE, "ServiceUnavailable"), answer];
  const began = performance.now();
  assert.equal(await client.start("arn:machine"), "arn:execution");
  assert.ok(performance.now() - began >= 200);
  const names = new Set(fake.requests.map((request) => request.name));
  assert.deepEqual([fake.requests.length, names.size], [3, 1]);
});

test("a start without a name is sent once", async (t) => {
  const { fake, client } = await Fake.start(t);
  fake.answers = [refuse(status.UNAVAILABLE, "ServiceUnavailable"), answer];
  await assert.rejects(client.startExecution("arn:machine"), sdk.ServiceUnavailable);
  assert.equal(fake.requests.length, 1);
});

test("a start whose answer was lost is known by its name", async (t) => {
  const { fake, client } = await Fake.start(t);
  fake.answers = [refuse(status.ALREADY_EXISTS, "ExecutionAlreadyExists")];
  const arn = await client.start("arn:aws:states:us-east-1:000000000000:stateMachine:orders:3");
  assert.equal(arn, `arn:aws:states:us-east-1:000000000000:execution:orders:${fake.requests[0]?.name}`);
});

test("a reason without a class is an API error", async (t) => {
  const { fake, client } = await Fake.start(t);
  fake.answers = [refuse(status.ABORTED, "SomethingNew")];
  await assert.rejects(client.startExecution("arn:machine"), { name: "ApiError", message: "SomethingNew: refused" });
});
