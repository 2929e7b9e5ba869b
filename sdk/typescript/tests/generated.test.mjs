// What is written by hand or by generator says what the .proto files and the coordinator say.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BY_REASON, Client, VERSION } from "stepfleet-sdk";

const root = process.env.STEPFLEET_ROOT;
const read = (path) => readFileSync(join(root, path), "utf8");

test("every call has a method", () => {
  const files = readdirSync(join(root, "proto/stepfleet/v1")).map((name) => read(`proto/stepfleet/v1/${name}`));
  const calls = files.flatMap((text) => [...text.matchAll(/^ {2}rpc (\w+)/gm)].map((found) => found[1]));
  assert.ok(calls.length > 30);
  // `Work` is the worker's stream.
  const names = calls.filter((call) => call !== "Work").map((call) => call[0].toLowerCase() + call.slice(1));
  assert.deepEqual(
    names.filter((name) => !(name in Client.prototype)),
    [],
  );
});

test("every error has a class", () => {
  const [, block] = read("coordinator/server/src/service/error.rs").match(/enum ErrorCode \{([^}]*)\}/);
  const codes = block.replace(/\/\/.*/g, "").match(/\w+/g);
  assert.deepEqual(Object.keys(BY_REASON).sort(), codes.sort());
});

test("the version stands everywhere", () => {
  assert.equal(JSON.parse(read("sdk/typescript/package.json")).version, VERSION);
  assert.ok(read("Cargo.toml").includes(`\nversion = "${VERSION}"\n`));
});
