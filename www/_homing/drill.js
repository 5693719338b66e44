// The isolation drill in progress. It explains figures that would otherwise look like an outage.
import { clock, el, number } from "./dom.js";

const KINDS = {
  isolate: (region, share) => `all regions but ${region} count as unreachable for ${share}% of ${region}’s subjects`,
  lose: (region, share) => `${region} counts as unreachable for ${share}% of all subjects`,
};

/** The text of the banner; nothing without a drill. This isolate may not know the drill yet, or may have stopped it for itself. */
export function drill(snapshot, authority) {
  const here = snapshot?.drill;
  const on = here ?? authority?.drill;
  if (!on || !(on.until > clock.now()) || !Object.hasOwn(KINDS, on.kind)) return undefined;
  const until = new Date(on.until).toLocaleString();
  return [
    el("b", null, `Isolation drill ${on.id}: `),
    `${KINDS[on.kind](on.region, number(on.percent))}, until ${until}. Refusals with `,
    el("code", null, "drill-unreachable"),
    " are part of the drill. ",
    here ? "" : "This isolate does not take part now. ",
    "Report: ",
    el("code", null, `homing drill report ${on.id}`),
    "; end it: ",
    el("code", null, `homing drill stop ${on.id}`),
  ];
}
