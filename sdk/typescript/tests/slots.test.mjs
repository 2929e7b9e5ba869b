// Slots that follow the host: what is read of it, what follows from that, and that the coordinator is told.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { Client, Worker } from "stepfleet-sdk";
import { Fake } from "./built/fake.js";
import { Gate, Lines, until } from "./built/harness.js";
// What no program sees, beside the package's door.
import { Host } from "./node_modules/stepfleet-sdk/dist/session/host.js";
import { complete, nextSlots, problem } from "./node_modules/stepfleet-sdk/dist/tuner.js";

test("a host is what its processors and its group say", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "stepfleet-typescript-host."));
  t.after(() => rmSync(folder, { recursive: true }));
  const write = (path, text) => {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  };
  const near = (usage, cpu, memory) => {
    assert.ok(Math.abs(usage.cpu - cpu) < 1e-9 && Math.abs(usage.memory - memory) < 1e-9, JSON.stringify(usage));
  };
  const host = new Host(folder);
  assert.equal(host.usage(0), undefined, "there is nothing to read");
  write("proc/stat", "cpu  0 0 0 0 0\ncpu0 1 2 3\n");
  write("proc/meminfo", "MemTotal:  100 kB\nMemFree: 1 kB\nMemAvailable:   70 kB\n");
  write("proc/self/cgroup", "0::/render\n");
  assert.equal(host.usage(0), undefined, "the first reading tells nothing");
  // user nice system idle iowait irq softirq steal guest
  write("proc/stat", "cpu 10 5 5 60 10 5 3 2 7\n");
  near(host.usage(1000), 0.3, 0.3);
  // A group of half a processor that uses a quarter of one, and most of its memory.
  const group = "sys/fs/cgroup/render/";
  write(`${group}cpu.max`, "50000 100000\n");
  write(`${group}cpu.stat`, "usage_usec 1000000\nuser_usec 3\n");
  write(`${group}memory.max`, "1000\n");
  write(`${group}memory.current`, "900\n");
  write(`${group}memory.stat`, "anon 1\ninactive_file 100\n");
  host.usage(2000);
  write(`${group}cpu.stat`, "usage_usec 1250000\n");
  near(host.usage(3000), 0.5, 0.8);
  // Without limits the host alone counts.
  write(`${group}cpu.max`, "max 100000\n");
  write(`${group}memory.max`, "max\n");
  near(host.usage(4000), 0, 0.3);
});

test("slots follow what the host does", () => {
  const targets = complete({ slotsMin: 2, slotsMax: 20 });
  for (const [cpu, memory, slots, used, expect] of [
    // Room, and all in use: more, up to the most.
    [0.1, 0.1, 4, 4, 8],
    [0.1, 0.1, 18, 18, 20],
    [0.1, 0.1, 20, 20, 20],
    // Room that nobody needs.
    [0.1, 0.1, 8, 7, 8],
    // About the target: nothing changes.
    [0.78, 0.1, 8, 8, 8],
    [0.8, 0.1, 8, 8, 8],
    // Beyond it, by either: fewer in that measure.
    [0.88, 0.1, 11, 11, 10],
    [0.1, 0.96, 12, 12, 10],
    [0.81, 0.1, 10, 10, 9],
    // Of those that are used.
    [0.9, 0.1, 20, 8, 7],
    [0.9, 0.1, 20, 0, 2],
    // Never less than half at once, nor than the fewest.
    [4, 0.1, 16, 16, 8],
    [1, 1, 2, 2, 2],
  ]) {
    assert.equal(nextSlots(targets, { cpu, memory }, slots, used), expect, `${cpu} ${memory} ${slots} ${used}`);
  }
});

test("targets that cannot be are refused", async (t) => {
  assert.equal(problem(complete({})), undefined);
  const bad = [{ cpu: 0 }, { memory: 1.1 }, { cpu: Number.NaN }, { slotsMin: 0 }, { slotsMin: 300 }, { ramp: 0 }];
  for (const targets of bad) assert.notEqual(problem(complete(targets)), undefined, JSON.stringify(targets));
  const client = new Client();
  t.after(() => client.close());
  const worker = new Worker(client).activity("a", () => {}, { slotsByResources: { ramp: 0 } });
  await assert.rejects(worker.run(), /activity `a`: at least 1 slot/);
  const both = { slots: 3, slotsByResources: {} };
  assert.throws(() => worker.activity("b", () => {}, both), /either fixed or follow/);
});

test("the coordinator is told of slots that follow the host", async (t) => {
  let usage = { cpu: 0.1, memory: 0.1 };
  t.mock.method(Host.prototype, "usage", () => usage);
  const { fake, client } = await Fake.start(t);
  const over = new Gate();
  const slotsByResources = { slotsMin: 1, slotsMax: 3, ramp: 2 };
  const options = { log: new Lines(), confirmTimeoutMs: 200 };
  const worker = new Worker(client, options).activity("a", () => over.opened, { slotsByResources });
  const shutdown = new AbortController();
  const running = worker.run({ signal: shutdown.signal });
  const stream = await fake.next();
  assert.equal(stream.hello.activities[0].slots, 1);
  stream.send({ welcome: {} });
  const told = () => stream.received.flatMap(({ slots }) => slots.map(({ slots }) => slots));
  stream.push(1, "t1");
  await until("it takes more", () => told().length === 1);
  usage = { cpu: 1, memory: 0.1 };
  await until("it takes fewer", () => told().length === 2);
  assert.deepEqual(told(), [3, 1]);
  over.open();
  await until("the result", () => stream.results().length === 1);
  stream.send({ confirmed: 1n });
  shutdown.abort();
  await running;
});
