// Serves the integration `acme:train` in all three patterns: `node examples/connector_worker.mjs`, with a coordinator at
// STEPFLEET_ENDPOINT or on this machine. What it begins is a process that outlives this one and is found again by its folder.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { Client, TaskError, Worker } from "stepfleet-sdk";

const FOLDER = join(process.env.TRAININGS ?? tmpdir(), "trainings");

/** Trains for some seconds, and leaves the result where it is looked for. */
const program = (seconds) => `
  const { renameSync, writeFileSync } = require("node:fs");
  const end = () => { writeFileSync("new", "0.25"); renameSync("new", "loss"); };
  setTimeout(end, ${seconds} * 1000);
`;

/**
 * Trainings are processes of this machine, each with a folder: no worker of another machine can tell of them.
 *
 * @type {import("stepfleet-sdk").Connector}
 */
const training = {
  place: hostname(),

  start({ input, clientId }) {
    const { Seconds: seconds = 1 } = input;
    if (typeof seconds !== "number") throw new TaskError("InvalidParameters", "Seconds is a number");
    // The same whenever this attempt is begun again, which must not begin a second training.
    const name = createHash("sha256").update(clientId).digest("hex").slice(0, 16);
    const folder = join(FOLDER, name);
    // Nothing is made when the folder is there.
    if (mkdirSync(folder, { recursive: true }) !== undefined) {
      const child = spawn(process.execPath, ["-e", program(seconds)], { cwd: folder, detached: true, stdio: "ignore" });
      child.unref();
      writeFileSync(join(folder, "pid"), String(child.pid));
    }
    return { handle: { folder: name }, output: { Training: name } };
  },

  describe({ handle }) {
    const folder = join(FOLDER, handle.folder);
    const alive = isAlive(folder);
    // In this order: a training that has just ended has left its result.
    if (existsSync(join(folder, "loss"))) {
      return { succeeded: { loss: Number(readFileSync(join(folder, "loss"), "utf8")) } };
    }
    if (alive) return { going: true, againAfterMs: 1000 };
    return { failed: new TaskError("TrainingLost", "the process ended without a result") };
  },

  stop({ handle }) {
    const folder = join(FOLDER, handle.folder);
    if (isAlive(folder)) process.kill(-pidOf(folder), "SIGTERM");
  },
};

function pidOf(folder) {
  return Number(readFileSync(join(folder, "pid"), "utf8"));
}

function isAlive(folder) {
  try {
    return process.kill(pidOf(folder), 0);
  } catch {
    return false;
  }
}

const client = new Client();
await new Worker(client, { createActivities: true, log: console })
  .connector("acme:train", training, { slots: 4 })
  .run();
client.close();
