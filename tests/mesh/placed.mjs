// What an answer says of itself must be so: what it shows was written at or below the numbers that it tells, and all that was written at or
// below them is shown. A session carries nothing else, so whatever is told too low, or not at all, can be missing from its next read.
// Judged by the writes whose numbers are known: those that were acknowledged. Where a fault comes between an answer and its numbers this is
// seen at once, while a read that goes back needs another node that is behind just then.

const members = (value) => value ?? [];

/** What a value shows of the writes to its key, and whether it is all of them. Of a set that loses members, of fields and of registers a write
 *  that is not shown was replaced. */
const KINDS = {
  grown: { ids: members, isAll: true },
  churned: { ids: members },
  profile: { ids: (value) => Object.values(value ?? {}) },
  draft: { ids: members },
};

const isEmpty = (value) => !value || (typeof value === "object" && Object.keys(value).length === 0);

/** @param {any[]} operations @param {(what: string, operation: any, sentence: string) => void} find */
export function placed(operations, find) {
  const written = Map.groupBy(
    operations.filter(({ kind, status }) => kind === "write" && status !== "fail"),
    ({ key }) => key,
  );
  for (const read of operations.filter(({ kind, status }) => kind === "read" && status === "ok")) {
    if (Object.keys(read.told.at).length === 0) {
      if (!isEmpty(read.value)) find("unplaced", read, "shows something, and does not tell of which writes");
      continue;
    }
    const writes = (written.get(read.key) ?? []).map((write) => judged(write, read.told));
    if (read.of === "views") counts(read, writes, find);
    else lists(read, writes, find);
  }
}

/** A write by what a read has told: whether it must have a part in it, and whether it may. Whose number nobody knows may, and need not. */
function judged({ id, by, region, told }, { least, shows }) {
  const number = told?.shows[region];
  if (number === undefined) return { id, by, must: false, may: true };
  return { id, by, must: number <= Math.max(least[region] ?? 0, shows[region] ?? 0), may: number <= (shows[region] ?? 0) };
}

function counts(read, writes, find) {
  const sum = (which) => writes.filter(which).reduce((total, { by }) => total + by, 0);
  const [least, most] = [sum(({ must }) => must), sum(({ may }) => may)];
  if (read.value < least) find("short-of-its-numbers", read, `shows ${read.value}, and ${least} were counted at or below what it tells`);
  if (read.value > most) find("beyond-its-numbers", read, `shows ${read.value}, and at most ${most} were counted at or below what it tells`);
}

function lists(read, writes, find) {
  const { ids, isAll } = KINDS[read.of];
  const shown = new Set(ids(read.value));
  for (const { id, must, may } of writes.filter(({ id }) => id)) {
    if (isAll && must && !shown.has(id)) find("short-of-its-numbers", read, `lacks ${id}, which was written at or below what it tells`);
    if (!may && shown.has(id)) find("beyond-its-numbers", read, `shows ${id}, which was written beyond what it tells`);
  }
}
