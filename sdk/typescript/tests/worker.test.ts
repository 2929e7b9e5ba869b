// The worker against a real coordinator: outputs and failures, cut connections, kills, cancellation, heartbeats, drain.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import * as sdk from "stepfleet-sdk";
import {
  activity,
  activityArn,
  all,
  Coordinator,
  CuttableProxy,
  clientAt,
  connected,
  coordinator,
  Gate,
  Lines,
  machine,
  mapMachine,
  serving,
  taskMachine,
  unique,
  until,
} from "./harness.js";

type Handler = (task: sdk.Task<never>) => unknown;

/** Runs one execution with this handler. */
async function outcome(
  t: TestContext,
  handler: Handler,
  input?: unknown,
  options: sdk.ActivityOptions<never> = {},
): Promise<sdk.Execution> {
  const client = await connected(t);
  const name = await activity(client);
  const arn = await machine(client, taskMachine(name));
  const worker = new sdk.Worker(client, { name: "handlers", log: new Lines() }).activity(name, handler, options);
  return serving(worker, async () => client.wait(await client.start(arn, input)));
}

async function failure(t: TestContext, handler: Handler, input?: unknown): Promise<unknown[]> {
  const { status, error, cause } = await outcome(t, handler, input);
  assert.equal(status, "FAILED");
  return [error, cause];
}

test("a handler's value is the output", async (t) => {
  let seen = "";
  const ended = await outcome(
    t,
    async (task: sdk.Task<{ text: string }>) => {
      seen = inspect(task, { showHidden: true, depth: 9 });
      assert.deepEqual([task.attempt, task.heartbeatSeconds, task.cancelled], [0, undefined, false]);
      return { length: task.input.text.length, execution: task.executionArn, told: seen.includes(task.token) };
    },
    { text: "grüße" },
  );
  assert.deepEqual(ended.result(), { length: 5, execution: ended.arn, told: false });
  const client = await connected(t);
  const events = await all(client.getExecutionHistory(ended.arn));
  const started = events.find((event) => event.type === "ActivityStarted");
  assert.equal(started?.details?.workerName, "handlers");
});

test("a handler that gives nothing outputs null", async (t) => {
  assert.equal((await outcome(t, () => {})).outputText, "null");
});

test("inputs are made by the program's function, and one that does not fit says why", async (t) => {
  const input = (value: unknown) => {
    if (typeof value !== "number") throw new Error("no number");
    return value;
  };
  const double = (task: sdk.Task<number>) => task.input * 2;
  assert.equal((await outcome(t, double, 21, { input: input as never })).result(), 42);
  const failed = await outcome(t, double, "x", { input: input as never });
  assert.equal(failed.error, "InvalidInput");
  assert.match(failed.cause ?? "", /^the input does not fit activity `.*`: no number$/);
});

test("raw handlers see the text", async (t) => {
  const client = await connected(t);
  const name = await activity(client);
  const worker = new sdk.Worker(client).activityRaw(name, (task) => `{"was":${task.input}}`);
  const arn = await machine(client, taskMachine(name));
  const ended = await serving(worker, async () => client.wait(await client.start(arn, [12345678901234567000])));
  assert.equal(ended.outputText, '{"was":[12345678901234567000]}');
});

test("a task error fails with its name", async (t) => {
  const refuse = () => {
    throw new sdk.TaskError("NoSuchFile", "it is gone");
  };
  assert.deepEqual(await failure(t, refuse), ["NoSuchFile", "it is gone"]);
});

test("any other error fails with its class and causes", async (t) => {
  class NotFound extends Error {}
  const throwing = (thrown: unknown) => async () => {
    throw thrown;
  };
  const wrapped = new NotFound("no file", { cause: new Error("disk on fire") });
  assert.deepEqual(await failure(t, throwing(wrapped)), ["NotFound", "no file: disk on fire"]);
  assert.deepEqual(await failure(t, throwing(new TypeError("no"))), ["TypeError", "no"]);
  assert.deepEqual(await failure(t, throwing("a text")), ["Error", "a text"]);
});

test("an output that is no JSON fails", async (t) => {
  const told = ["InvalidOutput", "cannot encode as JSON: Do not know how to serialize a BigInt"];
  assert.deepEqual(await failure(t, () => 1n), told);
});

test("long texts are cut with a mark between characters", () => {
  const error = new sdk.TaskError("😀".repeat(300), "x".repeat(40_000));
  assert.equal([...error.error].length, sdk.ERROR_CHARS_MAX);
  assert.equal(error.cause.length, sdk.CAUSE_CHARS_MAX);
  assert.ok(error.error.endsWith("… (cut)") && error.cause.endsWith("… (cut)"));
  assert.equal(new sdk.TaskError("\ud83d").error, "\ufffd");
});

test("a worker that cannot work says why", async (t) => {
  const client = await connected(t);
  const made = (names: string[], options: sdk.WorkerOptions = {}) => {
    const worker = new sdk.Worker(client, options);
    for (const name of names) worker.activity(name, () => {});
    return worker;
  };
  for (const [worker, message] of [
    [made([]), "a worker needs at least one activity"],
    [made(["a", "a"]), "activity `a` is registered twice"],
    [made(["a"], { slots: 0 }), "activity `a` has no slots"],
    [made(["a"], { name: "" }), "worker name `` must have 1 to 80 characters"],
  ] as const) {
    await assert.rejects(worker.run(), { name: "ConfigurationError", message });
  }
});

test("an activity that is not there is refused or created", async (t) => {
  const client = await connected(t);
  const name = unique("new");
  const signal = new AbortController().signal;
  await assert.rejects(new sdk.Worker(client).activity(name, () => {}).run({ signal }), sdk.ActivityDoesNotExist);
  const worker = new sdk.Worker(client, { createActivities: true }).activity(name, () => {});
  const served = async () => {
    try {
      return (await client.describeActivity(activityArn(name))).workers === sdk.SLOTS_DEFAULT;
    } catch (error) {
      assert.ok(error instanceof sdk.ActivityDoesNotExist);
      return false;
    }
  };
  await serving(worker, () => until("the activity is served", served));
});

test("a stop aborts the signal of its tasks within a second", async (t) => {
  const client = await connected(t);
  const name = await activity(client);
  const begun = new Gate();
  let ended = 0;
  const worker = new sdk.Worker(client).activity(name, async (task) => {
    begun.open();
    await sleep(20_000, undefined, { signal: task.signal }).catch(() => {
      ended = Date.now();
    });
    assert.ok(task.cancelled);
    assert.throws(() => task.signal.throwIfAborted(), sdk.TaskCancelled);
  });
  await serving(worker, async () => {
    const execution = await client.start(await machine(client, taskMachine(name)));
    await begun.opened;
    const stopped = Date.now();
    await client.stopExecution(execution);
    await until("the handler has ended", () => ended);
    assert.ok(ended - stopped < 1000, `${ended - stopped} ms`);
  });
});

test("heartbeats keep a long task alive", async (t) => {
  const client = await connected(t);
  const name = await activity(client);
  const worker = new sdk.Worker(client).activity(name, async (task) => {
    // Longer than the heartbeat allows, without a word of its own.
    await sleep(2500, undefined, { signal: task.signal });
    task.heartbeat({ done: 1 });
    return task.heartbeatSeconds;
  });
  const arn = await machine(client, taskMachine(name, { HeartbeatSeconds: 1, TimeoutSeconds: 30 }));
  const ended = await serving(worker, async () => client.wait(await client.start(arn)));
  assert.equal(ended.result(), 1);
});

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => n + from);

test("results survive cut connections and count once", async (t) => {
  const proxy = await CuttableProxy.start((await coordinator()).port);
  t.after(() => proxy.close());
  const client = await connected(t);
  const name = await activity(client);
  const calls: number[] = [];
  let cuts = 0;
  const lines = new Lines();
  const worker = new sdk.Worker(clientAt(t, proxy.url), { log: lines, slots: 8 }).activity(name, async (task) => {
    calls.push(task.input);
    if (task.input % 25 === 0) {
      cuts += 1;
      proxy.cut();
    }
    return task.input;
  });
  const arn = await machine(client, mapMachine(name));
  const numbers = range(1, 201);
  const ended = await serving(worker, async () => client.wait(await client.start(arn, numbers)));
  assert.deepEqual(ended.result(), numbers);
  calls.sort((a, b) => a - b);
  assert.deepEqual(calls, numbers, "a task was lost or done twice");
  assert.ok(
    cuts === 8 && proxy.accepted > 1 && lines.lines.some((line) => line.startsWith("warn without coordinator")),
  );
});

test("a task goes on while the connection is away", async (t) => {
  const proxy = await CuttableProxy.start((await coordinator()).port);
  t.after(() => proxy.close());
  const client = await connected(t);
  const name = await activity(client);
  const [begun, goOn] = [new Gate(), new Gate()];
  let calls = 0;
  const log = new Lines();
  const worker = new sdk.Worker(clientAt(t, proxy.url), { log }).activity(name, async () => {
    calls += 1;
    begun.open();
    await goOn.opened;
    return "done";
  });
  const arn = await machine(client, taskMachine(name));
  await serving(worker, async () => {
    const execution = await client.start(arn);
    await begun.opened;
    proxy.cut();
    await until("the session goes on", () => log.lines.find((line) => line.includes("resumed the session")));
    goOn.open();
    assert.deepEqual([(await client.wait(execution)).result(), calls], ["done", 1]);
  });
});

test("a silent connection is given up", async (t) => {
  const proxy = await CuttableProxy.start((await coordinator()).port);
  t.after(() => proxy.close());
  const client = await connected(t);
  const behind = clientAt(t, proxy.url, { keepaliveIntervalMs: 500, keepaliveTimeoutMs: 500 });
  const name = await activity(client);
  const calls: number[] = [];
  const worker = new sdk.Worker(behind, { log: new Lines() }).activity(name, (task) => {
    calls.push(task.input);
    if (task.input === 1) proxy.swallow();
    return task.input;
  });
  const arn = await machine(client, mapMachine(name));
  const ended = await serving(worker, async () => client.wait(await client.start(arn, [1, 2, 3])));
  assert.deepEqual(
    [ended.result(), calls.sort()],
    [
      [1, 2, 3],
      [1, 2, 3],
    ],
  );
});

test("a killed coordinator loses and doubles nothing", async (t) => {
  const own = await Coordinator.start();
  t.after(() => own.stop());
  const client = clientAt(t, own.url, { retries: 20 });
  const name = unique("killed");
  await client.createActivity(name);
  const [half, goOn] = [new Gate(), new Gate()];
  const calls: number[] = [];
  const worker = new sdk.Worker(client, { log: new Lines() }).activity(
    name,
    async (task) => {
      calls.push(task.input);
      if (task.input >= 20) {
        half.open();
        await goOn.opened;
      }
      return task.input;
    },
    { slots: 4 },
  );
  const numbers = range(0, 40);
  await serving(worker, async () => {
    const { arn } = await client.createStateMachine("killed", mapMachine(name, 4));
    const execution = await client.start(arn, numbers);
    await half.opened;
    await own.kill();
    // These end while nobody is there to hear of it.
    goOn.open();
    await own.restart();
    assert.deepEqual((await client.wait(execution)).result(), numbers);
  });
  calls.sort((a, b) => a - b);
  assert.deepEqual(calls, numbers, "a task was lost or done twice");
});

const PROGRAM = `
import { once } from "node:events";
import { Client, Worker } from "stepfleet-sdk";
const client = new Client(process.argv[1]);
const worker = new Worker(client, { name: "drained", graceMs: 20_000 });
worker.activity(process.argv[2], async (task) => {
  console.log("begun", task.input);
  await once(process.stdin, "data");
  return "old";
}, { slots: 2 });
await worker.run();
console.log("left");
client.close();
process.stdin.destroy();
`;

test("a terminated worker finishes what runs and takes no more", async (t) => {
  const client = await connected(t);
  const name = await activity(client);
  const arn = await machine(client, taskMachine(name));
  const { url } = await coordinator();
  const child = spawn(process.execPath, ["--input-type=module", "-e", PROGRAM, url, name], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  const exited = once(child, "exit");
  const lines: string[] = [];
  createInterface(child.stdout).on("line", (line) => lines.push(line));
  const running = [await client.start(arn, 1), await client.start(arn, 2)];
  await until("both run", () => lines.length === 2);
  child.kill("SIGTERM");
  await until("it takes no more", async () => (await client.describeActivity(activityArn(name))).workers === 0);
  await serving(
    new sdk.Worker(client).activity(name, () => "new"),
    async () => {
      assert.equal((await client.wait(await client.start(arn, 3))).result(), "new");
      assert.equal(child.exitCode, null);
      child.stdin.write("go on\n");
      for (const execution of running) assert.equal((await client.wait(execution)).result(), "old");
    },
  );
  assert.deepEqual((await exited)[0], 0);
  assert.equal(lines.at(-1), "left");
});

test("what outlives the grace period is cancelled and fails", async (t) => {
  const client = await connected(t);
  const name = await activity(client);
  const begun = new Gate();
  const worker = new sdk.Worker(client, { graceMs: 50, log: new Lines() }).activity(name, async (task) => {
    begun.open();
    await once(task.signal, "abort");
  });
  const execution = await client.start(await machine(client, taskMachine(name)));
  await serving(worker, () => begun.opened);
  assert.equal((await client.wait(execution)).error, "WorkerStopped");
});

test("a handler that cannot be stopped is abandoned", async (t) => {
  const client = await connected(t);
  const name = await activity(client);
  const [begun, never] = [new Gate(), new Gate()];
  const options = { graceMs: 50, stopTimeoutMs: 50, log: new Lines() };
  const worker = new sdk.Worker(client, options).activity(name, async () => {
    begun.open();
    await never.opened;
  });
  const execution = await client.start(await machine(client, taskMachine(name)));
  await assert.rejects(
    serving(worker, () => begun.opened),
    new sdk.Abandoned(1, 0),
  );
  assert.equal((await client.wait(execution)).error, "WorkerStopped");
});

test("an operator sees, holds back and drains", async (t) => {
  const client = await connected(t);
  const [name, begun, goOn] = [await activity(client), new Gate(), new Gate()];
  const [served, arn] = [activityArn(name), await machine(client, taskMachine(name))];
  const waits = async () => (await client.getActivityStats(served)).queued === 1;
  for (const [awayMax, told] of [
    [0, 0],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    ["default", undefined],
  ] as const) {
    assert.equal((await client.updateActivity(served, { awayMax })).awayMax, told);
  }
  const held = await client.updateActivity(served, { paused: true, maxRate: 5.5 });
  assert.deepEqual([held.paused, held.maxRate], [true, 5.5]);
  await client.start(arn, 1);
  await until("it waits", waits);
  assert.equal(await client.purgeActivity(served, { cause: "never mind" }), 1);
  const labels = { team: name };
  const worker = new sdk.Worker(client, { name: "operated", labels, log: new Lines() }).activity(name, async () => {
    begun.open();
    await goOn.opened;
    return "done";
  });
  const running = worker.run({ signal: new AbortController().signal });
  const execution = await client.start(arn, 2);
  await until("it waits", waits);
  assert.equal((await client.updateActivity(served, { paused: false, maxRate: 0 })).paused, false);
  await begun.opened;
  const [info] = await all(client.listWorkers({ labels }));
  assert.ok(info);
  assert.deepEqual([info.name, info.status, info.activities[0]?.used], ["operated", "CONNECTED", 1]);
  const shown = await client.describeWorker(info.sessionId);
  assert.deepEqual(
    shown.tasks.map((task) => task.executionArn),
    [execution],
  );
  assert.equal((await client.drainWorkers({ worker: info.sessionId }))[0]?.status, "DRAINING");
  assert.equal((await client.resumeWorkers({ labels }))[0]?.status, "CONNECTED");
  await client.drainWorkers({ activity: name });
  goOn.open();
  await running;
  assert.equal((await client.wait(execution)).result(), "done");
});
