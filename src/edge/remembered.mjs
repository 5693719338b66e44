// How isolates remember things in maps: so many, and for so long.

/** Remembers one more, the newest; of so many at most, the oldest goes. @template K, V @param {Map<K, V>} map @param {K} key @param {V} value @param {number} most */
export function remember(map, key, value, most) {
  if (!map.delete(key) && map.size >= most) map.delete(/** @type {K} */ (map.keys().next().value));
  map.set(key, value);
}

/** Whether something lasts still that lasts so many milliseconds in all, until then. A clock that was set back makes nothing younger. @param {number} until @param {number} all */
export function lasts(until, all) {
  const left = until - Date.now();
  return left > 0 && left <= all;
}
