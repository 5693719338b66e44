import { UNCACHED } from "./uncached.mjs";

const TRACE = "https://www.cloudflare.com/cdn-cgi/trace";

/** The data centre in which this runs, where the platform says it; null elsewhere. @param {boolean} onPlatform */
export async function colo(onPlatform) {
  if (!onPlatform) return null;
  try {
    const trace = await fetch(TRACE, { signal: AbortSignal.timeout(1000), cf: UNCACHED });
    return /^colo=(\w+)$/m.exec(await trace.text())?.[1] ?? null;
  } catch {
    return null;
  }
}
