// The TypeScript worker of test_languages.py: URL, folder, the activity of its own, the shared one.
import { appendFileSync, existsSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, Worker } from "stepfleet-sdk";

const [url, folder, own, shared] = process.argv.slice(2);
const client = new Client(url);

await new Worker(client, { name: "typescript", slots: 2 })
  .activity(own, (task) => [...task.input, "typescript"])
  .activity(shared, async (task) => {
    appendFileSync(`${folder}/calls`, `${task.input}\n`);
    writeFileSync(`${folder}/begun-typescript`, "");
    while (!existsSync(`${folder}/go`)) await sleep(20, undefined, { signal: task.signal });
    return { item: task.input, by: "typescript" };
  })
  .run();
client.close();
