// Connectors: each part of the protocol by itself, and all three patterns with a real coordinator.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import * as sdk from "stepfleet-sdk";
import * as api from "stepfleet-sdk/api";
import { Fake, type Stream } from "./fake.js";
import { all, Coordinator, clientAt, Gate, Lines, machine, serving, until } from "./harness.js";
import { Training } from "./training.js";

const EXECUTION = "arn:e";

interface Stage {
  fake: Fake;
  stream: Stream;
  training: Training;
  reports: sdk.Reports;
  shutdown: AbortController;
  running: Promise<void>;
}

/** A worker of a connector and, behind it, an activity. */
async function stage(t: TestContext): Promise<Stage> {
  const { fake, client } = await Fake.start(t);
  const training = new Training();
  const worker = new sdk.Worker(client, {
    name: "w",
    graceMs: 0,
    stopTimeoutMs: 0,
    confirmTimeoutMs: 200,
    log: new Lines(),
  })
    .connector("acme:train", training, { slots: 3 })
    .activity("a", (task: sdk.Task<number>) => task.input, { slots: 2 });
  const shutdown = new AbortController();
  const running = worker.run({ signal: shutdown.signal });
  t.after(async () => {
    shutdown.abort();
    await running.catch((error: unknown) => assert.ok(error instanceof sdk.Abandoned));
  });
  const stream = await fake.next();
  stream.send({ welcome: {} });
  assert.ok(training.reports);
  return { fake, stream, training, reports: training.reports, shutdown, running };
}

function begin(stream: Stream, number: number, token: string, pattern: api.TaskPattern): void {
  const start = { clientId: `client-${token}`, pattern };
  // Behind the activity.
  stream.push(number, token, { input: "7", activity: 1, executionArn: EXECUTION, start });
}

function work(clientId: string): sdk.Work {
  return { clientId, handle: { id: clientId }, executionArn: EXECUTION };
}

function outcomes(stream: Stream): Map<string, api.TaskResult["outcome"]> {
  const results = stream.received.flatMap((message) => message.results);
  return new Map(results.map(({ taskToken, outcome }) => [taskToken, outcome]));
}

test("a start answers or begins", async (t) => {
  const { stream } = await stage(t);
  const { activities, connectors } = stream.hello;
  assert.deepEqual(
    activities.map(({ activity, slots }) => [activity, slots]),
    [["a", 2]],
  );
  assert.deepEqual(
    connectors.map(({ connector, slots, place }) => [connector, slots, place]),
    [["acme:train", 3, "here"]],
  );
  begin(stream, 1, "once", api.TaskPattern.REQUEST_RESPONSE);
  begin(stream, 2, "sync", api.TaskPattern.SYNC);
  stream.push(3, "plain", { activity: 1 });
  stream.push(4, "mine", { activity: 0, input: "8" });
  await until("all are done", () => stream.results().length === 4);
  const found = outcomes(stream);
  assert.equal(found.get("once")?.value, '{"echo":7}');
  const begun = { handle: '{"id":"client-sync"}', output: '{"begun":true}', place: "here" };
  assert.deepEqual(found.get("sync"), { case: "begun", value: create(api.BegunSchema, begun) });
  const plain = found.get("plain");
  assert.ok(plain?.case === "failure" && plain.value.error === "ConnectorOnly");
  assert.equal(found.get("mine")?.value, "8");
});

test("questions are answered each for itself", async (t) => {
  const { stream, training } = await stage(t);
  training.ended.set("c2", { succeeded: 2 }).set("c3", { failed: new sdk.TaskError("E", "C") });
  const { DESCRIBE, STOP } = api.ConnectorQuery_Kind;
  const ask = (number: number, kind: api.ConnectorQuery_Kind, connector = 1) => {
    const clientId = `c${number}`;
    const handle = JSON.stringify({ id: number === 4 ? "another" : clientId });
    const query: MessageInitShape<typeof api.ConnectorQuerySchema> = { connector, kind, clientId, handle };
    return { ...query, number: BigInt(number) };
  };
  stream.send({ queries: [1, 2, 3, 4].map((number) => ask(number, DESCRIBE)) });
  // The last is a question of a later coordinator.
  stream.send({ queries: [ask(5, STOP), ask(6, DESCRIBE, 0), ask(7, 99 as api.ConnectorQuery_Kind)] });
  const answers = () => stream.received.flatMap((message) => message.answers);
  await until("seven answers", () => answers().length === 7);
  const by = new Map(answers().map(({ number, answer }) => [Number(number), answer]));
  assert.deepEqual(by.get(1), { case: "going", value: create(api.GoingSchema, { againAfterMs: 50n }) });
  assert.deepEqual(by.get(2), { case: "output", value: "2" });
  assert.deepEqual(by.get(3), { case: "failure", value: create(api.TaskFailureSchema, { error: "E", cause: "C" }) });
  assert.match(by.get(4)?.value as string, /AssertionError/);
  assert.equal(by.get(5)?.case, "stopped");
  assert.equal(by.get(6)?.case, "unknown");
  assert.equal(by.get(7)?.case, "unknown");
  assert.deepEqual(
    training.stopped.map(({ clientId }) => clientId),
    ["c5"],
  );
});

test("an answer that fits no message fails its task", async (t) => {
  const { stream, training } = await stage(t);
  const mebibytes = (count: number) => ({ succeeded: "x".repeat(count * 1024 * 1024) });
  training.ended.set("c1", mebibytes(3.5)).set("c2", mebibytes(2)).set("c3", mebibytes(2)).set("c4", mebibytes(0.9));
  const { DESCRIBE } = api.ConnectorQuery_Kind;
  const queries = [1, 2, 3, 4].map((number) => {
    const clientId = `c${number}`;
    const handle = JSON.stringify({ id: clientId });
    return { number: BigInt(number), connector: 1, kind: DESCRIBE, clientId, handle };
  });
  stream.send({ queries });
  const answers = () => stream.received.flatMap((message) => message.answers);
  await until("four answers", () => answers().length === 4);
  const [large] = answers().filter(({ number }) => number === 1n);
  assert.ok(large?.answer.case === "failure");
  assert.equal(large.answer.value.error, "States.DataLimitExceeded");
  assert.equal(answers().filter(({ answer }) => answer.case === "output").length, 3);
});

test("what begins for nobody is stopped", async (t) => {
  const { stream, training } = await stage(t);
  training.gate = new Gate();
  begin(stream, 1, "early", api.TaskPattern.SYNC);
  await until("it begins", () => training.calls.length > 0);
  stream.send({ cancelled: ["early"] });
  stream.push(2, "mine", { activity: 0, input: "8" });
  await until("that has arrived", () => stream.results().length === 1);
  training.gate.open();
  await until("the first is stopped", () => training.stopped.length === 1);
  begin(stream, 3, "late", api.TaskPattern.SYNC);
  await until("it has begun", () => stream.results().length === 2);
  stream.send({ confirmed: 2n });
  stream.send({ cancelled: ["late"] });
  await until("the second is stopped", () => training.stopped.length === 2);
  assert.deepEqual(training.stopped, [work("client-early"), work("client-late")]);
});

test("what begins after the worker has ended is stopped", async (t) => {
  const { stream, training, shutdown, running } = await stage(t);
  training.gate = new Gate();
  begin(stream, 1, "late", api.TaskPattern.SYNC);
  await until("it begins", () => training.calls.length > 0);
  shutdown.abort();
  await assert.rejects(running, sdk.Abandoned);
  training.gate.open();
  await until("it is stopped", () => training.stopped.length > 0);
  assert.deepEqual(training.stopped, [work("client-late")]);
});

test("a begin that does not count asks whether it is waited for", async (t) => {
  const { fake, stream, training } = await stage(t);
  begin(stream, 1, "t", api.TaskPattern.SYNC);
  await until("it has begun", () => stream.results().length === 1);
  assert.deepEqual(stream.beats(), []);
  stream.send({ refused: [{ taskToken: "t", reason: "TaskTimedOut" }], confirmed: 1n });
  await until("it asks", () => stream.beats().length > 0);
  stream.send({ reconnectAfterMs: 1 });
  const second = await fake.next();
  second.send({ welcome: { resumed: true } });
  await until("it asks at every connection", () => second.beats().length > 0);
  assert.deepEqual(training.stopped, []);
  second.send({ cancelled: ["t"] });
  await until("it is stopped", () => training.stopped.length === 1);
});

test("work of an earlier process goes on", async (t) => {
  const { stream, training, reports, shutdown, running } = await stage(t);
  await reports.resume({ token: "old", work: work("client-old"), pattern: "sync", output: 7 });
  await until("it has begun", () => outcomes(stream).get("old")?.case === "begun");
  let settled = false;
  const ended = reports.ended("old", { succeeded: [1] }).then(() => {
    settled = true;
  });
  await until("its end is told", () => stream.results().length === 2);
  assert.deepEqual(stream.results()[1], ["old", 2, "[1]"]);
  assert.equal(settled, false);
  stream.send({ confirmed: 2n });
  await ended;
  // It has ended: nothing is left to stop.
  stream.send({ cancelled: ["old"] });
  stream.push(1, "mine", { activity: 0, input: "8" });
  await until("that has arrived", () => stream.results().length === 3);
  stream.send({ confirmed: 3n });
  assert.deepEqual(training.stopped, []);
  const late = assert.rejects(reports.ended("other", { failed: new sdk.TaskError("E") }), sdk.TransportError);
  shutdown.abort();
  await assert.rejects(running, sdk.Abandoned);
  await late;
  await assert.rejects(reports.ended("other", { succeeded: null }), sdk.TransportError);
});

test("connectors have no slots to change", () => {
  const worker = new sdk.Worker().connector("acme:train", new Training());
  assert.throws(() => worker.setSlots("acme:train", 2), /does not serve/);
  worker.client.close();
});

/** A real coordinator, and a worker of the connector at it. */
class Real {
  readonly training = new Training();
  readonly coordinator: Coordinator;
  readonly client: sdk.Client;
  readonly worker: sdk.Worker;

  private constructor(t: TestContext, coordinator: Coordinator) {
    this.coordinator = coordinator;
    this.client = clientAt(t, coordinator.url, { retries: 20 });
    const options = { createActivities: true, log: new Lines() };
    this.worker = new sdk.Worker(clientAt(t, coordinator.url), options).connector("acme:train", this.training);
  }

  static async start(t: TestContext): Promise<Real> {
    const coordinator = await Coordinator.start();
    t.after(() => coordinator.stop());
    return new Real(t, coordinator);
  }

  async begin(pattern: string, parameters: object = {}): Promise<string> {
    await this.client.createActivity("connector.acme.train");
    const state = {
      Type: "Task",
      Resource: `arn:aws:states:::acme:train${pattern}`,
      Parameters: parameters,
      End: true,
    };
    return this.client.start(await machine(this.client, { StartAt: "T", States: { T: state } }));
  }

  async begun(): Promise<string> {
    await until("it has begun", () => this.training.begun.size > 0);
    return [...this.training.begun.keys()][0] as string;
  }

  async submitted(arn: string): Promise<void> {
    await until("the coordinator knows the work", async () => {
      const events = await all(this.client.getExecutionHistory(arn));
      return events.some(({ type }) => type === "TaskSubmitted");
    });
  }

  async result(arn: string): Promise<unknown> {
    return (await this.client.wait(arn)).result();
  }
}

test("a request is answered", async (t) => {
  const real = await Real.start(t);
  await serving(real.worker, async () => {
    assert.deepEqual(await real.result(await real.begin("", { a: 1 })), { echo: { a: 1 } });
    const refused = await real.client.wait(await real.begin("", { place: "none" }));
    assert.deepEqual([refused.error, refused.cause], ["NoRoom", "all places are taken"]);
  });
});

test("work ends when a question says so", async (t) => {
  const real = await Real.start(t);
  await serving(real.worker, async () => {
    const arn = await real.begin(".sync", { n: 1 });
    const clientId = await real.begun();
    await until("it is asked", () => real.training.described > 1);
    real.training.ended.set(clientId, { succeeded: { loss: 0.5 } });
    assert.deepEqual(await real.result(arn), { loss: 0.5 });
    const failing = await real.begin(".sync", { n: 2 });
    await until("another has begun", () => real.training.begun.size === 2);
    const second = [...real.training.begun.keys()][1] as string;
    real.training.ended.set(second, { failed: new sdk.TaskError("Diverged", "at step 7") });
    const failed = await real.client.wait(failing);
    assert.deepEqual([failed.status, failed.error, failed.cause], ["FAILED", "Diverged", "at step 7"]);
  });
  assert.deepEqual(real.training.stopped, []);
});

test("work ends when its connector says so", async (t) => {
  const real = await Real.start(t);
  await serving(real.worker, async () => {
    const arn = await real.begin(".sync");
    await real.begun();
    await real.submitted(arn);
    await real.training.reports?.ended(real.training.tokens[0] as string, { succeeded: "told" });
    // Durable: a kill does not undo it.
    await real.coordinator.kill();
    await real.coordinator.restart();
    assert.equal(await real.result(arn), "told");
  });
  assert.deepEqual(real.training.stopped, []);
});

test("whoever has the token ends a callback", async (t) => {
  const real = await Real.start(t);
  await serving(real.worker, async () => {
    const arn = await real.begin(".waitForTaskToken", { "token.$": "$$.Task.Token" });
    const given = real.training.begun.get(await real.begun()) as { token: string };
    await real.submitted(arn);
    await real.client.sendTaskSuccess(given.token, [1]);
    assert.deepEqual(await real.result(arn), [1]);
  });
});

test("work of a stopped execution is stopped", async (t) => {
  const real = await Real.start(t);
  await serving(real.worker, async () => {
    const executionArn = await real.begin(".sync");
    const clientId = await real.begun();
    await real.submitted(executionArn);
    await real.client.stopExecution(executionArn);
    await until("it is stopped", () => real.training.stopped.length > 0);
    assert.deepEqual(real.training.stopped[0], { clientId, handle: { id: clientId }, executionArn });
  });
});

test("a killed coordinator finds one piece of work", async (t) => {
  const real = await Real.start(t);
  const { training } = real;
  await serving(real.worker, async () => {
    training.gate = new Gate();
    const arn = await real.begin(".sync");
    await until("it begins", () => training.calls.length > 0);
    // It begins while nobody listens.
    await real.coordinator.kill();
    training.gate.open();
    const clientId = await real.begun();
    await real.coordinator.restart();
    await real.submitted(arn);
    await real.coordinator.kill();
    training.ended.set(clientId, { succeeded: 1 });
    await real.coordinator.restart();
    assert.equal(await real.result(arn), 1);
    assert.deepEqual(new Set(training.calls), new Set([clientId]));
  });
  assert.equal(training.begun.size, 1);
  assert.deepEqual(training.stopped, []);
});

test("a worker that comes later is asked", async (t) => {
  const real = await Real.start(t);
  const arn = await serving(real.worker, async () => {
    const arn = await real.begin(".sync");
    await real.begun();
    await real.submitted(arn);
    return arn;
  });
  real.training.ended.set(await real.begun(), { succeeded: "by another" });
  const later = new sdk.Worker(real.client, { name: "later" }).connector("acme:train", real.training);
  assert.equal(await serving(later, () => real.result(arn)), "by another");
  assert.equal(real.training.calls.length, 1);
  assert.deepEqual(real.training.stopped, []);
});

test("the example trains", async (t) => {
  const real = await Real.start(t);
  const folder = mkdtempSync(join(tmpdir(), "stepfleet-typescript-trainings."));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  // Beside the packages, where Node.js looks for them.
  const example = join(dirname(fileURLToPath(import.meta.url)), "..", "connector_worker.mjs");
  const env = { ...process.env, STEPFLEET_ENDPOINT: real.coordinator.url, TRAININGS: folder };
  const child = spawn(process.execPath, [example], { env, stdio: "ignore" });
  const exited = once(child, "exit");
  const pids = () => {
    const files = readdirSync(join(folder, "trainings")).map((name) => join(folder, "trainings", name, "pid"));
    return files.filter((file) => existsSync(file)).map((file) => Number(readFileSync(file, "utf8")));
  };
  try {
    assert.deepEqual(await real.result(await real.begin(".sync", { Seconds: 0.1 })), { loss: 0.25 });
    const arn = await real.begin(".sync", { Seconds: 600 });
    await real.submitted(arn);
    assert.equal(pids().length, 2);
    await real.client.stopExecution(arn);
    await until("the processes are gone", () => pids().every((pid) => !isAlive(pid)));
  } finally {
    child.kill();
    assert.deepEqual(await exited, [0, null]);
  }
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
