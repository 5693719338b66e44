// The objects that hold what must not be lost, the directory's shards and the authority: how they are reached, and what is asked twice.

/** A question that took longer to fail is not put again: whoever waits for the answer has none of that time left. */
const AGAIN_MS = 1000;
/** Where the home store says for which jurisdiction the objects were made. */
const KEY = "jurisdiction";

/** The jurisdiction that the objects must not leave, if one is configured; in development there is none, since workerd knows none. */
const jurisdiction = ({ DEV, JURISDICTION }) => (DEV === true || DEV === "true" ? "" : JURISDICTION) || "";

/** A new stub of the object of that name, which is made as `options` say if there is none. */
export function stub(env, binding, name, options) {
  const inside = jurisdiction(env);
  const namespace = inside ? env[binding].jurisdiction(inside) : env[binding];
  return namespace.get(namespace.idFromName(name), options);
}

/**
 * What an object answers. It is asked once more, by a new stub (the old one stays broken), where the platform says that this helps: a
 * deploy or a failing machine resets objects (`retryable`); one that has too much to do already (`overloaded`) is left alone. The first
 * question may have been carried out all the same, so this is for what may be asked twice.
 */
export async function asked(stub, question) {
  const began = Date.now();
  try {
    return await question(stub());
  } catch (error) {
    if (!error?.retryable || error.overloaded || Date.now() - began > AGAIN_MS) throw error;
    return question(stub());
  }
}

let settled = false;

/**
 * Throws if the objects of the configured jurisdiction are not those in which this deployment keeps its homes. An object of one
 * jurisdiction and that of the same name outside of it are two, so a jurisdiction that is configured later would find an empty directory,
 * and everybody would get a home anew.
 */
export async function settle(env) {
  const wanted = jurisdiction(env);
  if (settled || !wanted) return;
  const said = await env.HOMES.get(KEY);
  if (said !== wanted) {
    const others = said !== null || (await env.HOMES.get("view")) !== null || (await env.HOMES.list({ prefix: "home:", limit: 1 })).keys.length > 0;
    if (others) throw new Error(`JURISDICTION: found ${JSON.stringify(wanted)}, but this deployment keeps its homes ${said ? `in ${JSON.stringify(said)}` : "in none"}; write that again: it is chosen once, before the first deployment`);
    await env.HOMES.put(KEY, wanted);
  }
  settled = true;
}
