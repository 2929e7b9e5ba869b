// Serves the activity `checksum`: `node examples/checksum_worker.mjs`, with a coordinator at STEPFLEET_ENDPOINT or on this
// machine. Plain JavaScript, so that nothing has to be compiled; the types are the same in TypeScript.
import { Client, TaskError, Worker } from "stepfleet-sdk";

/** @typedef {{ text: string }} Input */
/** @typedef {{ checksum: number }} Output */

/**
 * @param {import("stepfleet-sdk").Task<Input>} task
 * @returns {Promise<Output>}
 */
async function checksum(task) {
  if (task.input.text === "") throw new TaskError("EmptyText", "there is nothing to sum up");
  return { checksum: Buffer.from(task.input.text).reduce((sum, byte) => sum + byte, 0) };
}

const client = new Client();
await new Worker(client, { createActivities: true, log: console }).activity("checksum", checksum, { slots: 16 }).run();
client.close();
