// Cloudflare's own pages, as flow/page.rs of the core knows them on the hot path; for those that ask regions on their own behalf.

/**
 * Whether this answer is a page of the platform's in the place of the region: it says so, and nothing of the contract. Behind a service
 * binding there is no such network.
 * @param {Response} response @param {string | null} [service]
 */
export const isPage = (response, service) =>
  !service && response.headers.has("cf-error-type") && ![...response.headers.keys()].some((name) => name.startsWith("homing-"));
