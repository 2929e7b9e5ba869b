// What the host of a worker is doing: its processors and memory, and the limits of the control group (v2) that the worker is in.
// Linux alone tells; elsewhere there is no reading, and slots stay as they are.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Usage } from "../tuner.js";

interface Reading {
  readonly atMs: number;
  /** Of all processors since the start, in ticks. */
  readonly busy: number;
  readonly all: number;
  /** Microseconds of processor time of the control group. */
  readonly groupUs: number | undefined;
}

/** Reads the host once in a while; what the processors did is told between two readings. */
export class Host {
  readonly #root: string;
  #last: Reading | undefined;

  constructor(root = "/") {
    this.#root = root;
  }

  /**
   * What the host did since the reading before; nothing the first time, and where it cannot be read.
   *
   * @param atMs Now, on any clock that goes on steadily.
   */
  usage(atMs: number): Usage | undefined {
    const times = timesOf(this.#text("proc/stat"));
    if (times === undefined) return undefined;
    const group = this.#group();
    const reading: Reading = { atMs, ...times, groupUs: field(text(group, "cpu.stat"), "usage_usec") };
    const last = this.#last;
    this.#last = reading;
    const memory = memoryOf(this.#text("proc/meminfo"));
    if (last === undefined || memory === undefined) return undefined;
    const cpu = share(reading.busy - last.busy, reading.all - last.all);
    const cache = field(text(group, "memory.stat"), "inactive_file") ?? 0;
    return {
      cpu: Math.max(cpu, groupCpu(reading, last, text(group, "cpu.max"))),
      memory: Math.max(memory, used(text(group, "memory.max"), text(group, "memory.current"), cache)),
    };
  }

  /** The folder of the control group that this process is in. */
  #group(): string {
    const lines = this.#text("proc/self/cgroup").split("\n");
    const path = lines.find((line) => line.startsWith("0::"))?.slice(3) ?? "/";
    const folder = join(this.#root, "sys/fs/cgroup");
    const own = join(folder, path);
    // In a container the path may be that of the host, while the container sees its own group at the root.
    return existsSync(join(own, "cpu.stat")) ? own : folder;
  }

  #text(path: string): string {
    return text(this.#root, path);
  }
}

/** A file's text; empty where there is none. */
function text(folder: string, path: string): string {
  try {
    return readFileSync(join(folder, path), "utf8");
  } catch {
    return "";
  }
}

/** Busy and all ticks, of the first line of `/proc/stat`. */
function timesOf(stat: string): { busy: number; all: number } | undefined {
  const [name, ...words] = (stat.split("\n", 1)[0] ?? "").trim().split(/\s+/);
  if (name !== "cpu" || words.length < 4) return undefined;
  // user nice system idle iowait irq softirq steal; guests are in user and nice.
  const ticks = words.slice(0, 8).map(Number);
  const all = ticks.reduce((sum, tick) => sum + tick, 0);
  return { busy: all - (ticks[3] ?? 0) - (ticks[4] ?? 0), all };
}

/** The share of the processors that the group's limit allows; 0 without a limit. */
function groupCpu(reading: Reading, last: Reading, max: string): number {
  const [quota, period] = max.trim().split(" ").map(whole);
  if (!quota || !period || reading.groupUs === undefined || last.groupUs === undefined) return 0;
  const tookUs = (reading.atMs - last.atMs) * 1000;
  return tookUs > 0 ? share(reading.groupUs - last.groupUs, tookUs) / (quota / period) : 0;
}

/** The share of memory that is not available. */
function memoryOf(meminfo: string): number | undefined {
  const total = field(meminfo, "MemTotal:");
  const available = field(meminfo, "MemAvailable:");
  return total === undefined || available === undefined ? undefined : share(total - available, total);
}

/** The share of the group's memory that is in use, what can be dropped left out; 0 without a limit. */
function used(max: string, current: string, cache: number): number {
  const limit = whole(max);
  const now = whole(current);
  return limit === undefined || now === undefined ? 0 : share(now - cache, limit);
}

/** The number behind a name at the start of a line. */
function field(text: string, name: string): number | undefined {
  const line = text.split("\n").find((line) => line.startsWith(name));
  return line === undefined ? undefined : whole(line.slice(name.length).trim().split(/\s+/)[0] ?? "");
}

function whole(text: string): number | undefined {
  return /^\s*\d+\s*$/.test(text) ? Number(text) : undefined;
}

function share(part: number, all: number): number {
  return all > 0 ? Math.max(part, 0) / all : 0;
}
