// HTTP/1.1 as bytes, at both ends, through the router in plain workerd, and beside it through a Worker that only fetches: what fails at
// both is workerd's. The end-to-end tests run the same cases (tests/e2e/raw.test.mjs).
import { BARE } from "../contenders.mjs";
import { fetchDoor, routerDoor } from "../raw/world.mjs";
import { cases } from "../raw/cases/index.mjs";
import { judge } from "../raw/judge.mjs";

export const name = "raw HTTP/1.1";
export const kinds = ["required"];

export const load = async () => ({ version: "this repository", pinned: true, tests: cases.map(({ id, group }) => ({ id, group, kind: "required" })) });

async function through(door, some, id) {
  const results = {};
  for (const one of some) {
    const { wrong, talk, seen } = await judge(one, door);
    results[one.id] = wrong.length === 0 || wrong.join("; ");
    if (id)
      console.log(
        `${door.name}, as it came: ${JSON.stringify(talk.text)}\n${door.name}, to the origin: ${JSON.stringify(seen.map(({ first, fields, content }) => ({ first, fields, content })))}`,
      );
  }
  return results;
}

export async function run({ names, id }) {
  if (!names.includes("homing")) return {};
  process.env.RUNTIME = "workerd";
  const harness = await import("../../e2e/harness.mjs");
  const some = cases.filter((one) => !id || one.id === id);
  const doors = [await routerDoor(harness), await fetchDoor(harness)];
  const [homing, fetches] = await Promise.all(doors.map((door) => through(door, some, id)));
  doors.forEach(({ origin }) => origin.stop());
  await harness.stopAll();
  const failed = (results) => some.filter(({ id }) => results[id] !== true);
  const own = failed(homing).filter(({ id }) => fetches[id] === true);
  console.log(
    `a Worker that only fetches fails ${failed(fetches).length} of ${some.length}, Homing ${failed(homing).length}${own.length ? `, and alone: ${own.map(({ id }) => id).join(", ")}` : ""}`,
  );
  return names.includes(BARE) ? { homing, [BARE]: fetches } : { homing };
}
