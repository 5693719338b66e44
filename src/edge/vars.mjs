// The vars of the topology as one text: the same from wrangler.toml, when it is built, and from a Worker's bindings.

const TOPOLOGY = /^(REGIONS|DATASETS|ROUTES(_\d+)?|IDENTITY|EDGE_NAME)$/;

/** @param {object} env */
export function topologyOf(env) {
  const vars = Object.entries(env).filter(([name]) => TOPOLOGY.test(name));
  return JSON.stringify(Object.fromEntries(vars.sort(([one], [other]) => (one < other ? -1 : 1))));
}
