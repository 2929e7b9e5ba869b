// Workers that may do little: what their policies leave out is not needed.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as sdk from "stepfleet-sdk";
import { Coordinator, clientAt, Lines, machine, serving, taskMachine } from "./harness.js";

test("a worker that may not create activities serves those that are there", async (t) => {
  const key = "a key of the tests";
  const folder = mkdtempSync(join(tmpdir(), "stepfleet-typescript-keys."));
  t.after(() => rmSync(folder, { recursive: true }));
  const config = join(folder, "stepfleet.toml");
  const sha256 = createHash("sha256").update(key).digest("hex");
  writeFileSync(config, `[[auth.keys]]\nname = "tests"\npolicies = ["administrator"]\nsha256 = "${sha256}"\n`);
  const coordinator = await Coordinator.start(["server", "--config", config]);
  t.after(() => coordinator.stop());
  const admin = clientAt(t, coordinator.url, { apiKey: key });
  const issued = await admin.issueCredential("builder", ["worker"]);
  const own = clientAt(t, coordinator.url, { apiKey: issued.secret });
  await assert.rejects(own.createActivity("work"), sdk.AccessDeniedException);

  const worker = new sdk.Worker(own, { createActivities: true, log: new Lines() });
  worker.activity("work", (task: sdk.Task<number>) => task.input);
  await assert.rejects(worker.run(), { reason: "ActivityDoesNotExist" });
  await admin.createActivity("work");
  await serving(worker, async () => {
    const arn = await admin.start(await machine(admin, taskMachine("work")), 7);
    assert.equal((await admin.wait(arn)).result(), 7);
  });
});
