// A coordinator process, a proxy whose connections can be cut, and waiting for conditions. Needs STEPFLEET_BIN.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, type Document, Endpoint, type EndpointOptions, type Logger, type Worker } from "stepfleet-sdk";

let numbers = 0;

/** A name that no other test has. */
export function unique(prefix: string): string {
  numbers += 1;
  return `${prefix}-${process.pid}-${numbers}`;
}

/** Looks until there is something to see, and gives it. */
export async function until<T>(what: string, look: () => T | Promise<T>, ms = 20_000): Promise<NonNullable<T>> {
  const deadline = Date.now() + ms;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    assert.ok(Date.now() < deadline, `waited ${ms} ms in vain: ${what}`);
    await sleep(20);
  }
}

/** A port that nobody uses. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, "127.0.0.1");
  await once(probe, "listening");
  const port = portOf(probe);
  probe.close();
  await once(probe, "close");
  return port;
}

function portOf(server: Server): number {
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return address.port;
}

/** A coordinator with a data folder of its own, at the same port when it comes back. */
export class Coordinator {
  readonly folder = mkdtempSync(join(tmpdir(), "stepfleet-typescript."));
  readonly url: string;
  readonly #port: number;
  readonly #arguments: string[];
  #process: ChildProcess | undefined;

  private constructor(port: number, command: string[], scheme: string) {
    this.#port = port;
    this.url = `${scheme}://127.0.0.1:${port}`;
    this.#arguments = [...command, "--listen", `127.0.0.1:${port}`, "--data", join(this.folder, "data")];
  }

  static async start(command = ["dev"], scheme = "http"): Promise<Coordinator> {
    const made = new Coordinator(await freePort(), command, scheme);
    await made.restart();
    return made;
  }

  get port(): number {
    return this.#port;
  }

  /** Comes back after `kill`. */
  async restart(): Promise<void> {
    const program = process.env.STEPFLEET_BIN;
    assert.ok(program, "STEPFLEET_BIN must name the program under test");
    const path = join(this.folder, "coordinator.log");
    const log = openSync(path, "a");
    const child = spawn(program, this.#arguments, { stdio: ["ignore", log, log] });
    this.#process = child;
    await until("the coordinator is ready", () => {
      assert.equal(child.exitCode, null, readFileSync(path, "utf8"));
      return this.#isReady();
    });
  }

  async #isReady(): Promise<boolean> {
    if (!this.url.startsWith("http://")) {
      const probe = connect(this.#port, "127.0.0.1");
      const open = await Promise.race([once(probe, "connect"), once(probe, "error")]).then(
        () => true,
        () => false,
      );
      probe.destroy();
      return open;
    }
    try {
      return (await fetch(`${this.url}/readyz`)).status === 200;
    } catch {
      return false;
    }
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Ends it, and deletes its data. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, "exit");
  }
}

/** Passes bytes on, in both directions, until it is told to cut. */
export class CuttableProxy {
  accepted = 0;
  readonly #open = new Set<Socket>();
  readonly #silent = new Set<Socket>();
  readonly #server: Server;

  private constructor(port: number) {
    this.#server = createServer((near) => {
      this.accepted += 1;
      const far = connect(port, "127.0.0.1");
      for (const [source, sink] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#open.add(source);
        source.on("data", (bytes) => {
          if (!this.#silent.has(source)) sink.write(bytes);
        });
        source.on("error", () => {});
        source.on("close", () => {
          this.#open.delete(source);
          this.#silent.delete(source);
          sink.destroy();
        });
      }
    });
  }

  static async start(port: number): Promise<CuttableProxy> {
    const proxy = new CuttableProxy(port);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${portOf(this.#server)}`;
  }

  /** Breaks every connection, as a network that goes away; new ones are taken. */
  cut(): void {
    for (const end of [...this.#open]) end.resetAndDestroy();
  }

  /** Lets the connections that are open now stand, and passes nothing on: a network that lost its way. */
  swallow(): void {
    for (const end of this.#open) this.#silent.add(end);
  }

  close(): void {
    this.#server.close();
    this.cut();
  }
}

let shared: Promise<Coordinator> | undefined;

/** The one coordinator of tests that do not hurt theirs. */
export function coordinator(): Promise<Coordinator> {
  shared ??= Coordinator.start();
  return shared;
}

after(async () => {
  await (await shared)?.stop();
});

/** A client that is closed with its test. */
export function clientAt(t: TestContext, url: string, options: EndpointOptions = {}): Client {
  const client = new Client(new Endpoint(url, options));
  t.after(() => client.close());
  return client;
}

/** A client of the shared coordinator. */
export async function connected(t: TestContext): Promise<Client> {
  return clientAt(t, (await coordinator()).url);
}

/** The ARN of an activity of the default namespace. */
export function activityArn(name: string): string {
  return `arn:aws:states:us-east-1:000000000000:activity:${name}`;
}

/** A machine of one Task state. */
export function taskMachine(activity: string, fields: object = {}): { StartAt: string; States: object } {
  const state = { Type: "Task", Resource: activityArn(activity), End: true, ...fields };
  return { StartAt: "T", States: { T: state } };
}

/** A machine that sends every item of its input to an activity. */
export function mapMachine(activity: string, concurrency = 0): { StartAt: string; States: object } {
  const state = { Type: "Map", MaxConcurrency: concurrency, ItemProcessor: taskMachine(activity), End: true };
  return { StartAt: "M", States: { M: state } };
}

export const PASS = { StartAt: "P", States: { P: { Type: "Pass", End: true } } };

/** Creates a state machine and gives its ARN. */
export async function machine(client: Client, definition: Document, options: object = {}): Promise<string> {
  return (await client.createStateMachine(unique("machine"), definition, options)).arn;
}

/** Creates an activity and gives its name. */
export async function activity(client: Client): Promise<string> {
  const name = unique("activity");
  await client.createActivity(name);
  return name;
}

/** Runs a worker for the length of a function, then drains it. */
export async function serving<T>(worker: Worker, during: (shutdown: AbortController) => Promise<T>): Promise<T> {
  const shutdown = new AbortController();
  const running = worker.run({ signal: shutdown.signal });
  running.catch(() => {});
  try {
    return await during(shutdown);
  } finally {
    shutdown.abort();
    await running;
  }
}

/** Keeps what a worker says. */
export class Lines implements Logger {
  readonly lines: string[] = [];

  debug(message: string): void {
    this.lines.push(`debug ${message}`);
  }

  info(message: string): void {
    this.lines.push(`info ${message}`);
  }

  warn(message: string): void {
    this.lines.push(`warn ${message}`);
  }
}

/** Everything that an iterator gives. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** Something that a test waits for, and opens. */
export class Gate {
  readonly opened: Promise<void>;
  open: () => void = () => {};

  constructor() {
    this.opened = new Promise((resolve) => {
      this.open = resolve;
    });
  }
}
