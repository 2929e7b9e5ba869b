// The worker against a coordinator that does what a real one does rarely: every part of the stream's protocol by itself.
import assert from "node:assert/strict";
import { test } from "node:test";
import { status } from "@grpc/grpc-js";
import * as sdk from "stepfleet-sdk";
import * as api from "stepfleet-sdk/api";
import { answer, Fake, refuse, serving } from "./fake.js";
import { Gate, Lines, until } from "./harness.js";

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

test("slots change while the worker runs", async (t) => {
  const { fake, stream, worker } = await serving(t, async () => {});
  assert.throws(() => worker.setSlots("nothing", 2), sdk.ConfigurationError);
  assert.throws(() => worker.setSlots("a", 0), sdk.ConfigurationError);
  worker.setSlots("a", 40);
  const changes = () => stream.received.flatMap(({ slots }) => slots.map(({ activity, slots }) => [activity, slots]));
  await until("a change", () => changes().length > 0);
  assert.deepEqual(changes(), [[0, 40]]);
  stream.send({ reconnectAfterMs: 1 });
  const second = await fake.next();
  assert.equal(second.hello.activities[0]?.slots, 40);
  second.send({ welcome: { resumed: true } });
});

test("a long time between heartbeats is no short one", async (t) => {
  const never = new Gate();
  const { stream } = await serving(t, () => never.opened);
  stream.push(1, "seldom", { heartbeatSeconds: 99_999_999 });
  stream.push(2, "often", { heartbeatSeconds: 1 });
  await until("two heartbeats", () => stream.beats().length >= 2);
  assert.deepEqual(new Set(stream.beats().map(([token]) => token)), new Set(["often"]));
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

test("the last words go out over another connection when one breaks", async (t) => {
  const { fake, stream, shutdown, running } = await serving(t, () => {});
  stream.breaks = true;
  stream.push(1, "t1");
  await until("the result", () => stream.results().length === 1);
  stream.send({ confirmed: 1n });
  shutdown.abort();
  const second = await fake.next();
  assert.equal(stream.received.at(-1)?.draining, true);
  assert.equal(second.hello.sessionId, stream.hello.sessionId);
  second.send({ welcome: { resumed: true } });
  await running;
  assert.equal(second.received.at(-1)?.draining, true);
  assert.equal(fake.streams.length, 0);
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
