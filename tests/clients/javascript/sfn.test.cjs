// The AWS SDK for JavaScript, by changing its endpoint alone. Needs STEPFLEET_BIN, and NODE_PATH with the SDK.
"use strict";

const assert = require("node:assert/strict");
const { spawn } = require("node:child_process");
const fs = require("node:fs");
const net = require("node:net");
const os = require("node:os");
const path = require("node:path");
const { after, before, test } = require("node:test");
const sfn = require("@aws-sdk/client-sfn");

const ACCESS_KEY = { accessKeyId: "AKIASCRIPT", secretAccessKey: "a secret of forty characters or about so" };
const ROLE = "arn:aws:iam::000000000000:role/tests";

let folder, server, client, endpoint;

function freePort() {
  return new Promise((resolve) => {
    const probe = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

function connect(credentials = ACCESS_KEY, more = {}) {
  return new sfn.SFNClient({ endpoint, region: "us-east-1", credentials, disableHostPrefix: true, maxAttempts: 1, ...more });
}

async function until(look) {
  const end = Date.now() + 20_000;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    assert.ok(Date.now() < end, "waited 20 s in vain");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function create(name, definition, more = {}) {
  const request = { name, definition: JSON.stringify(definition), roleArn: ROLE, ...more };
  return (await client.send(new sfn.CreateStateMachineCommand(request))).stateMachineArn;
}

function ended(executionArn) {
  return until(async () => {
    const seen = await client.send(new sfn.DescribeExecutionCommand({ executionArn }));
    return seen.status !== "RUNNING" && seen;
  });
}

const PASS = { StartAt: "P", States: { P: { Type: "Pass", End: true } } };

before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "stepfleet-javascript."));
  const config = path.join(folder, "stepfleet.toml");
  fs.writeFileSync(config, `[[auth.access_keys]]\nid = "${ACCESS_KEY.accessKeyId}"\nsecret = "${ACCESS_KEY.secretAccessKey}"\npolicies = ["administrator"]\n`);
  const port = await freePort();
  endpoint = `http://127.0.0.1:${port}`;
  const log = fs.openSync(path.join(folder, "coordinator.log"), "w");
  const command = ["server", "--config", config, "--listen", `127.0.0.1:${port}`, "--data", path.join(folder, "data")];
  server = spawn(process.env.STEPFLEET_BIN, command, { stdio: ["ignore", log, log] });
  await until(() => fetch(`${endpoint}/readyz`).then((answer) => answer.ok, () => false));
  client = connect();
});

after(async () => {
  client?.destroy();
  const gone = new Promise((resolve) => server.on("exit", resolve));
  server.kill("SIGTERM");
  await gone;
  fs.rmSync(folder, { recursive: true, force: true });
});

test("an activity worker does a task of an execution", async () => {
  const { activityArn } = await client.send(new sfn.CreateActivityCommand({ name: "double" }));
  const task = { Type: "Task", Resource: activityArn, HeartbeatSeconds: 60, End: true };
  const stateMachineArn = await create("doubles", { StartAt: "T", States: { T: task } });
  const start = new sfn.StartExecutionCommand({ stateMachineArn, input: JSON.stringify({ n: 21 }) });
  const { executionArn, startDate } = await client.send(start);
  assert.ok(startDate instanceof Date);
  const { taskToken, input } = await client.send(new sfn.GetActivityTaskCommand({ activityArn, workerName: "node" }));
  await client.send(new sfn.SendTaskHeartbeatCommand({ taskToken }));
  const output = JSON.stringify(JSON.parse(input).n * 2);
  await client.send(new sfn.SendTaskSuccessCommand({ taskToken, output }));
  const seen = await ended(executionArn);
  assert.deepEqual([seen.status, seen.output], ["SUCCEEDED", "42"]);
  const types = [];
  for await (const page of sfn.paginateGetExecutionHistory({ client, pageSize: 2 }, { executionArn })) {
    types.push(...page.events.map((event) => event.type));
  }
  assert.deepEqual(types, [
    "ExecutionStarted", "TaskStateEntered", "ActivityScheduled", "ActivityStarted", "ActivitySucceeded", "TaskStateExited",
    "ExecutionSucceeded",
  ]);
  await assert.rejects(client.send(new sfn.SendTaskSuccessCommand({ taskToken, output })), sfn.TaskTimedOut);
});

test("synchronous calls, whose host prefix is left out, are answered", async () => {
  const stateMachineArn = await create("express", PASS, { type: "EXPRESS" });
  const ran = await client.send(new sfn.StartSyncExecutionCommand({ stateMachineArn, input: '{"a":1}' }));
  assert.deepEqual([ran.status, JSON.parse(ran.output)], ["SUCCEEDED", { a: 1 }]);
  const definition = JSON.stringify({ Type: "Pass", Result: 7, End: true });
  const tested = await client.send(new sfn.TestStateCommand({ definition }));
  assert.deepEqual([tested.status, tested.output], ["SUCCEEDED", "7"]);
});

test("versions, aliases and tags", async () => {
  const stateMachineArn = await create("versions", PASS, { publish: true, tags: [{ key: "a", value: "1" }] });
  const routingConfiguration = [{ stateMachineVersionArn: `${stateMachineArn}:1`, weight: 100 }];
  const alias = new sfn.CreateStateMachineAliasCommand({ name: "live", routingConfiguration });
  const { stateMachineAliasArn } = await client.send(alias);
  const started = await client.send(new sfn.StartExecutionCommand({ stateMachineArn: stateMachineAliasArn }));
  const seen = await ended(started.executionArn);
  assert.deepEqual([seen.stateMachineVersionArn, seen.stateMachineAliasArn], [`${stateMachineArn}:1`, stateMachineAliasArn]);
  const { tags } = await client.send(new sfn.ListTagsForResourceCommand({ resourceArn: stateMachineArn }));
  assert.deepEqual(tags, [{ key: "a", value: "1" }]);
});

test("a client whose clock is wrong sets it by the refusal", async () => {
  const late = connect(ACCESS_KEY, { systemClockOffset: -3_600_000 });
  await assert.rejects(late.send(new sfn.ListActivitiesCommand({})), { name: "InvalidSignatureException" });
  const { $metadata } = await late.send(new sfn.ListActivitiesCommand({}));
  assert.equal($metadata.httpStatusCode, 200);
  late.destroy();
});

test("refusals have their class and their message", async () => {
  const stateMachineArn = "arn:aws:states:us-east-1:000000000000:stateMachine:none";
  const missing = client.send(new sfn.DescribeStateMachineCommand({ stateMachineArn }));
  await assert.rejects(missing, (error) => {
    assert.ok(error instanceof sfn.StateMachineDoesNotExist);
    assert.equal(error.message, `State Machine Does Not Exist: '${stateMachineArn}'`);
    assert.equal(error.$metadata.httpStatusCode, 400);
    assert.ok(error.$metadata.requestId);
    return true;
  });
  const stranger = connect({ accessKeyId: ACCESS_KEY.accessKeyId, secretAccessKey: "not the secret of this key" });
  const refused = stranger.send(new sfn.ListStateMachinesCommand({}));
  await assert.rejects(refused, { name: "InvalidSignatureException" });
  stranger.destroy();
});
