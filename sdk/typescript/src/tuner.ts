// How many slots an activity has, from what its host is doing. Pure: readings in, slots out.

/** Below this share of a target there is room for more: slots that came and go about a target would only thrash. */
const ROOM = 0.95;

/** What the host is doing: shares of what there is, 0 to 1. */
export interface Usage {
  readonly cpu: number;
  readonly memory: number;
}

/**
 * What a worker may use of its host, and how many slots an activity may have for that.
 *
 * Once a second: beyond a target the activity gets fewer slots, in the measure in which the target is exceeded; below both it
 * gets more, as long as it uses those that it has.
 */
export interface Targets {
  /** Share of the processors' time, 0 to 1; of the limit of the worker's control group, where one is set. 0.8 by default. */
  readonly cpu?: number;
  /** Share of the memory, 0 to 1; likewise. */
  readonly memory?: number;
  /** Fewest slots, at least 1: what it begins with. 1 by default. */
  readonly slotsMin?: number;
  /** Most slots; 256 by default. */
  readonly slotsMax?: number;
  /** Slots that are added in one second at most; 4 by default. */
  readonly ramp?: number;
}

/** Targets of which none is left out. @internal */
export function complete(targets: Targets): Required<Targets> {
  return { cpu: 0.8, memory: 0.8, slotsMin: 1, slotsMax: 256, ramp: 4, ...targets };
}

/** What is wrong with them. @internal */
export function problem({ cpu, memory, slotsMin, slotsMax, ramp }: Required<Targets>): string | undefined {
  const isShare = (share: number) => share > 0 && share <= 1;
  const isCount = (count: number) => Number.isInteger(count) && count >= 1;
  if (!isShare(cpu) || !isShare(memory)) return "targets of CPU and memory are above 0 and at most 1";
  if (!isCount(slotsMin) || !isCount(slotsMax) || slotsMin > slotsMax) {
    return "the fewest slots are at least 1 and at most the most";
  }
  return isCount(ramp) ? undefined : "at least 1 slot must be added in a second";
}

/** The slots after a second in which the host did this, with so many slots and so many of them in use. @internal */
export function nextSlots(targets: Required<Targets>, usage: Usage, slots: number, used: number): number {
  const fill = Math.max(usage.cpu / targets.cpu, usage.memory / targets.memory);
  let next = slots;
  // What is not used adds nothing to what the host does.
  if (fill > 1) next = shrunk(Math.min(slots, Math.max(used, 1)), fill);
  else if (fill < ROOM && used >= slots) next = slots + targets.ramp;
  return Math.min(Math.max(next, targets.slotsMin), targets.slotsMax);
}

/** At least one fewer, at least half of them. */
function shrunk(slots: number, fill: number): number {
  return Math.min(Math.floor(slots / Math.min(fill, 2)), slots - 1);
}
