// What was recorded, held against the regions' own logs: all that is wrong, and how much was checked.
import { answers } from "./answers.mjs";
import { Log } from "./log.mjs";
import { converged, outcomes, owners } from "./owners.mjs";
import { sessions } from "./sessions.mjs";

/**
 * `records` of the load in the order of their starts, `logs` by region, `finals` by region and key, `hurts(from, to)`, and which changes
 * were `forced`.
 * Resolves to `{ wrong: [{ check, what, record }], counts }`.
 */
export function judge({ records, logs, finals, hurts = () => false, forced = [] }) {
  const wrong = [];
  const say = (check, what, record) => void wrong.push({ check, what, record });
  const log = new Log(logs, forced);
  answers({ records, hurts }, say);
  owners(log, say);
  outcomes({ records, log, finals }, say);
  converged({ log, finals }, say);
  return { wrong, counts: sessions({ records, log }, say), log };
}
