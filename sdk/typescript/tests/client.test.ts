// The client against a real coordinator: every call of the API, errors by their classes, keys and TLS.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import { status } from "@grpc/grpc-js";
import * as sdk from "stepfleet-sdk";
import {
  activity,
  activityArn,
  all,
  Coordinator,
  clientAt,
  connected,
  machine,
  PASS,
  taskMachine,
  unique,
} from "./harness.js";

test("a machine is created, described, updated and deleted", async (t) => {
  const client = await connected(t);
  const name = unique("machine");
  const options = { tags: { team: "blue" }, publish: true };
  const made = await client.createStateMachine(name, PASS, options);
  assert.equal(made.versionArn, `${made.arn}:1`);
  assert.deepEqual(await client.createStateMachine(name, JSON.stringify(PASS), options), made);
  const described = await client.describeStateMachine(made.arn);
  assert.deepEqual([described.name, described.status, described.type], [name, "ACTIVE", "STANDARD"]);
  assert.deepEqual(described.definition, PASS);
  assert.equal(described.revisionId, undefined);
  const changed = { ...PASS, Comment: "changed" };
  const updated = await client.updateStateMachine(made.arn, { definition: changed });
  assert.ok(updated.revisionId);
  assert.deepEqual((await client.describeStateMachine(made.arn)).definition, changed);
  await client.deleteStateMachine(made.arn);
  await assert.rejects(client.describeStateMachine(made.arn), sdk.StateMachineDoesNotExist);
});

test("lists go on over pages", async (t) => {
  const client = await connected(t);
  const made = [await machine(client, PASS), await machine(client, PASS), await machine(client, PASS)];
  const listed = (await all(client.listStateMachines({ pageSize: 2 }))).map((item) => item.arn);
  assert.ok(made.every((arn) => listed.includes(arn)));
  assert.equal(new Set(listed).size, listed.length);
});

test("definitions are validated and states tested", async (t) => {
  const client = await connected(t);
  const found = await client.validateStateMachineDefinition({ StartAt: "X", States: {} });
  assert.deepEqual([found.ok, found.diagnostics[0]?.severity], [false, "ERROR"]);
  const state = { Type: "Task", Resource: activityArn("a"), ResultPath: "$.sum", Next: "More" };
  const tested = await client.testState(state, { input: { a: 1 }, mock: { result: { b: 2 } } });
  assert.deepEqual([tested.status, tested.nextState], ["SUCCEEDED", "More"]);
  assert.deepEqual(tested.output, { a: 1, sum: { b: 2 } });
  assert.deepEqual(tested.inspection.result, { b: 2 });
  const failed = await client.testState(state, { mock: { error: "Boom", cause: "why" } });
  assert.deepEqual([failed.status, failed.error, failed.cause], ["FAILED", "Boom", "why"]);
});

test("versions, aliases and tags", async (t) => {
  const client = await connected(t);
  const arn = await machine(client, PASS, { tags: { a: "1" } });
  const one = await client.publishStateMachineVersion(arn, { description: "first" });
  await client.updateStateMachine(arn, { definition: { ...PASS, Comment: "two" } });
  const two = await client.publishStateMachineVersion(arn);
  const versions = await all(client.listStateMachineVersions(arn, { pageSize: 1 }));
  assert.deepEqual(
    versions.map((version) => version.arn),
    [two.arn, one.arn],
  );
  assert.equal((await client.describeStateMachine(one.arn)).description, "first");
  const alias = await client.createStateMachineAlias("live", [{ versionArn: one.arn, weight: 100 }]);
  const routes = [
    { versionArn: one.arn, weight: 90 },
    { versionArn: two.arn, weight: 10 },
  ];
  await client.updateStateMachineAlias(alias.arn, { routes });
  assert.deepEqual((await client.describeStateMachineAlias(alias.arn)).routes, routes);
  assert.deepEqual(
    (await all(client.listStateMachineAliases(arn))).map((item) => item.arn),
    [alias.arn],
  );
  const execution = await client.start(alias.arn);
  assert.equal((await client.wait(execution)).stateMachineAliasArn, alias.arn);
  await assert.rejects(client.deleteStateMachineVersion(one.arn), sdk.ConflictException);
  await client.deleteStateMachineAlias(alias.arn);
  await client.deleteStateMachineVersion(one.arn);
  await client.tagResource(arn, { b: "2", c: "3" });
  await client.untagResource(arn, ["a", "c"]);
  assert.deepEqual(await client.listTagsForResource(arn), { b: "2" });
});

test("an execution is started, waited for and told", async (t) => {
  const client = await connected(t);
  const arn = await machine(client, PASS);
  const execution = await client.start(arn, { text: "grüße" });
  const ended = await client.wait(execution);
  assert.deepEqual(ended.result(), { text: "grüße" });
  assert.deepEqual([ended.status, ended.stateMachineArn, ended.outputText], ["SUCCEEDED", arn, '{"text":"grüße"}']);
  const events = await all(client.getExecutionHistory(execution, { pageSize: 2 }));
  assert.deepEqual(
    events.map((event) => event.type),
    ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"],
  );
  assert.equal(events[1]?.details?.name, "P");
  const watched = await all(client.watchExecution(execution, { afterEventId: 2 }));
  assert.deepEqual(
    watched.map((event) => event.id),
    [3, 4],
  );
  const backwards = await all(client.getExecutionHistory(execution, { reverseOrder: true }));
  assert.deepEqual(
    backwards.map((event) => event.id),
    [4, 3, 2, 1],
  );
  assert.deepEqual((await client.describeStateMachineForExecution(execution)).definition, PASS);
});

test("a name makes a start repeatable", async (t) => {
  const client = await connected(t);
  const arn = await machine(client, taskMachine(await activity(client)));
  const first = await client.startExecution(arn, { a: 1 }, { name: "one" });
  assert.deepEqual(await client.startExecution(arn, { a: 1 }, { name: "one" }), first);
  await assert.rejects(client.startExecution(arn, { a: 2 }, { name: "one" }), (error: unknown) => {
    assert.ok(error instanceof sdk.ExecutionAlreadyExists && error instanceof sdk.ApiError);
    assert.deepEqual([error.name, error.reason], ["ExecutionAlreadyExists", "ExecutionAlreadyExists"]);
    assert.deepEqual([error.code, error.isRetryable], [status.ALREADY_EXISTS, false]);
    return true;
  });
  await client.stopExecution(first.arn);
});

test("a stopped execution is listed and redriven", async (t) => {
  const client = await connected(t);
  const arn = await machine(client, taskMachine(await activity(client)));
  const execution = await client.start(arn);
  await client.stopExecution(execution, { error: "Enough", cause: "for now" });
  const ended = await client.wait(execution);
  assert.deepEqual([ended.status, ended.error, ended.cause], ["ABORTED", "Enough", "for now"]);
  assert.throws(() => ended.result(), new sdk.ExecutionError("ABORTED", "Enough", "for now"));
  const listed = await all(client.listExecutions(arn, { status: "ABORTED" }));
  assert.deepEqual(
    listed.map((item) => item.arn),
    [execution],
  );
  await client.redriveExecution(execution);
  assert.equal((await client.describeExecution(execution)).redriveCount, 1);
  await assert.rejects(client.redriveExecution(execution), sdk.ExecutionNotRedrivable);
  await client.stopExecution(execution);
});

test("an express execution answers at once", async (t) => {
  const client = await connected(t);
  const arn = await machine(client, PASS, { type: "EXPRESS" });
  const ended = await client.startSyncExecution(arn, { a: 1 }, { name: "sync" });
  assert.deepEqual([ended.result(), ended.name], [{ a: 1 }, "sync"]);
  const standard = await machine(client, PASS);
  await assert.rejects(client.startSyncExecution(standard), sdk.StateMachineTypeNotSupported);
});

test("an input that is no JSON is refused here", async (t) => {
  const client = await connected(t);
  const circle: { self?: unknown } = {};
  circle.self = circle;
  for (const value of [1n, circle, () => {}]) await assert.rejects(client.start("arn", value), sdk.EncodeError);
});

test("no input is an empty object, and null is null", async (t) => {
  const client = await connected(t);
  const arn = await machine(client, PASS);
  assert.equal((await client.wait(await client.start(arn))).inputText, "{}");
  assert.equal((await client.wait(await client.start(arn, null))).inputText, "null");
});

test("tasks are ended by their token", async (t) => {
  const client = await connected(t);
  const name = await activity(client);
  const states = {
    A: { Type: "Task", Resource: activityArn(name), Next: "B" },
    B: { Type: "Task", Resource: activityArn(name), End: true },
  };
  const execution = await client.start(await machine(client, { StartAt: "A", States: states }), { n: 1 });
  const task = await client.getActivityTask(activityArn(name), { workerName: "poller" });
  assert.ok(task);
  assert.deepEqual(task.input, { n: 1 });
  await client.heartbeat(task.token);
  await client.complete(task.token, { n: 2 });
  await assert.rejects(client.complete(task.token, { n: 3 }), sdk.TaskTimedOut);
  const second = await client.getActivityTask(activityArn(name));
  assert.ok(second);
  assert.deepEqual(second.input, { n: 2 });
  await client.fail(second.token, "Boom", "why");
  const ended = await client.wait(execution);
  assert.deepEqual([ended.status, ended.error, ended.cause], ["FAILED", "Boom", "why"]);
  await assert.rejects(client.heartbeat("no token"), sdk.InvalidToken);
});

test("activities are described and listed", async (t) => {
  const client = await connected(t);
  const name = unique("activity");
  const made = await client.createActivity(name, { tags: { a: "1" } });
  assert.deepEqual(await client.createActivity(name, { tags: { a: "1" } }), made);
  const execution = await client.start(await machine(client, taskMachine(name)));
  const described = await client.describeActivity(made.arn);
  assert.deepEqual([described.name, described.queued, described.workers], [name, 1, 0]);
  const listed = await all(client.listActivities({ pageSize: 1 }));
  assert.ok(listed.some((item) => item.arn === made.arn));
  await client.stopExecution(execution);
  await client.deleteActivity(made.arn);
  await assert.rejects(client.describeActivity(made.arn), sdk.ActivityDoesNotExist);
});

test("callbacks are listed with what they ask", async (t) => {
  const client = await connected(t);
  const state = {
    Type: "Task",
    Resource: "arn:aws:states:::stepfleet:callback.waitForTaskToken",
    Parameters: { question: "ok?", "token.$": "$$.Task.Token" },
    End: true,
  };
  const execution = await client.start(await machine(client, { StartAt: "T", States: { T: state } }));
  const found = (await all(client.listCallbacks())).filter((item) => item.executionArn === execution);
  const [callback] = found;
  assert.ok(callback !== undefined && found.length === 1);
  assert.equal((callback.parameters as { question: string }).question, "ok?");
  await client.complete(callback.token, true);
  assert.equal((await client.wait(execution)).result(), true);
});

test("a callback URL is revoked and the token stays", async (t) => {
  const client = await connected(t);
  const state = {
    Type: "Task",
    Resource: "arn:aws:states:::stepfleet:callback.waitForTaskToken",
    Parameters: { "url.$": "$$.Task.CallbackUrl" },
    End: true,
  };
  const execution = await client.start(await machine(client, { StartAt: "T", States: { T: state } }));
  const [callback] = (await all(client.listCallbacks())).filter((item) => item.executionArn === execution);
  assert.ok(callback !== undefined);
  const { url } = callback.parameters as { url: string };
  await client.revokeCallbackUrl(url);
  await client.revokeCallbackUrl(url);
  await assert.rejects(client.revokeCallbackUrl(callback.token), sdk.ValidationException);
  await client.complete(callback.token, true);
  assert.equal((await client.wait(execution)).result(), true);
});

test("status and backup", async (t) => {
  const client = await connected(t);
  const told = await client.getStatus();
  assert.deepEqual([told.arnPrefix, told.refusing], ["arn:aws:states:us-east-1:000000000000:", undefined]);
  const chunks = await all(client.backup());
  assert.ok(chunks.reduce((size, chunk) => size + chunk.length, 0) > 0);
});

test("calls and watches are given up by their signal", async (t) => {
  const client = await connected(t);
  const reason = new Error("enough");
  const { signal, abort } = abortable();
  const polling = client.getActivityTask(activityArn(await activity(client)), { signal });
  const execution = await client.start(await machine(client, taskMachine(await activity(client))));
  const waiting = client.wait(execution, { signal });
  abort(reason);
  await Promise.all([assert.rejects(polling, reason), assert.rejects(waiting, reason)]);
  await assert.rejects(client.getStatus({ signal }), reason);
});

test("nobody there is a transport error", async (t) => {
  const client = clientAt(t, "http://127.0.0.1:1", { retries: 1, connectTimeoutMs: 200 });
  await assert.rejects(
    client.getStatus(),
    (error: unknown) => error instanceof sdk.TransportError && error.isRetryable,
  );
  await assert.rejects(client.connect(), sdk.TransportError);
});

function abortable() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: (reason: Error) => controller.abort(reason) };
}

function hasOpenssl(): boolean {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const skip = hasOpenssl() ? false : "openssl, which makes the certificates, is not on this machine";

test("the environment gives key and authority; others are refused", { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "stepfleet-typescript-tls."));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const who of ["server", "client"]) {
    const request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(" ");
    const names = ["-subj", `/CN=${who}`, "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"];
    const files = ["-keyout", `${who}.key`, "-out", `${who}.crt`];
    execFileSync("openssl", [...request, ...names, ...files], { cwd: folder, stdio: "ignore" });
  }
  const key = "a key of the tests";
  const sha256 = createHash("sha256").update(key).digest("hex");
  const config = join(folder, "stepfleet.toml");
  const tls = `[tls]\ncertificate = "${folder}/server.crt"\nkey = "${folder}/server.key"\n`;
  writeFileSync(config, `${tls}[[auth.keys]]\nname = "tests"\npolicies = ["administrator"]\nsha256 = "${sha256}"\n`);
  writeFileSync(join(folder, "key"), `${key}\n`);
  const secured = await Coordinator.start(["server", "--config", config], "https");
  t.after(() => secured.stop());

  const told: Record<string, string> = {
    STEPFLEET_ENDPOINT: secured.url,
    STEPFLEET_API_KEY_FILE: join(folder, "key"),
    STEPFLEET_CA_FILE: join(folder, "server.crt"),
    STEPFLEET_CLIENT_CERT_FILE: join(folder, "client.crt"),
    STEPFLEET_CLIENT_KEY_FILE: join(folder, "client.key"),
  };
  Object.assign(process.env, told);
  t.after(() => {
    for (const name of Object.keys(told)) delete process.env[name];
  });
  const client = new sdk.Client();
  assert.ok((await client.getStatus()).version);
  client.close();
  delete process.env.STEPFLEET_CLIENT_KEY_FILE;
  assert.throws(() => sdk.Endpoint.fromEnv(), /belong together/);

  const trust = { apiKey: key, caFile: join(folder, "server.crt"), retries: 0 };
  assert.ok((await clientAt(t, secured.url, { ...trust, domainName: "localhost" }).getStatus()).version);
  const elsewhere = clientAt(t, secured.url, { ...trust, domainName: "elsewhere" });
  await assert.rejects(elsewhere.getStatus(), sdk.TransportError);

  const wrong = clientAt(t, secured.url, { apiKey: "wrong", caFile: join(folder, "server.crt") });
  const refused = (error: unknown) => error instanceof sdk.ApiError && error.code === status.UNAUTHENTICATED;
  await assert.rejects(wrong.getStatus(), refused);
  const stranger = clientAt(t, secured.url, { apiKey: key, caFile: join(folder, "client.crt"), retries: 0 });
  await assert.rejects(stranger.getStatus(), sdk.TransportError);
});

test("options that cannot work are refused with their text", () => {
  const refused: [string | undefined, sdk.EndpointOptions, RegExp][] = [
    ["localhost:8083", {}, /endpoint `localhost:8083` must begin with http:\/\/ or https:\/\//],
    ["http://host:8083/path", {}, /endpoint `http:\/\/host:8083\/path` is malformed/],
    ["http://host:port", {}, /endpoint `http:\/\/host:port` is malformed/],
    [undefined, { apiKeyFile: "/nowhere/key" }, /cannot read \/nowhere\/key: /],
    [undefined, { apiKey: "two\nlines" }, /the API key holds characters that no key has/],
    [undefined, { caPem: "no certificate" }, /the certificate authorities hold no PEM certificate/],
    [undefined, { clientCertPem: "x" }, /client certificate and key belong together/],
  ];
  for (const [url, options, message] of refused) {
    assert.throws(() => new sdk.Endpoint(url, options), { name: "ConfigurationError", message });
  }
});

test("keys stay out of logs", () => {
  const endpoint = new sdk.Endpoint(undefined, { apiKey: "secret-key" });
  assert.ok(!inspect(endpoint, { depth: 9, showHidden: true }).includes("secret-key"));
});
