// The isolation drill that is on: whoever looks at figures during one must know that some of them are meant.
import { clock, el, number } from "./dom.js";

const KINDS = {
  isolate: (region, share) => `all regions but ${region} count as unreachable for ${share}% of ${region}’s subjects`,
  lose: (region, share) => `${region} counts as unreachable for ${share}% of all subjects`,
};

/** What stands in the banner; nothing while no drill is on. This isolate may not have heard of it yet, or have stopped it for itself. */
export function drill(snapshot, authority) {
  const here = snapshot?.drill;
  const on = here ?? authority?.drill;
  if (!on || !(on.until > clock.now()) || !Object.hasOwn(KINDS, on.kind)) return undefined;
  const until = new Date(on.until).toLocaleString();
  return [
    el("b", null, `Isolation drill ${on.id}: `),
    `${KINDS[on.kind](on.region, number(on.percent))}, until ${until}. What is refused with `,
    el("code", null, "drill-unreachable"),
    " is meant to be. ",
    here ? "" : "This isolate does not take part (yet, or any more). ",
    "Report: ",
    el("code", null, `homing drill report ${on.id}`),
    "; end it: ",
    el("code", null, `homing drill stop ${on.id}`),
  ];
}
