// The core in Wasm, and calls into it.
import module from "./homing_bg.wasm";
import { initSync } from "homing-wasm";

const wasm = initSync({ module });
// A trap leaves the stack pointer where it was; at rest it always has this value.
const stackAtRest = wasm.__stack_pointer.value;

/** What the core could not survive; said already. */
export class Panic extends Error {}

export const complain = (message, more) => console.error(JSON.stringify({ level: "error", message, ...more }));

/** Calls into Wasm. A panic there ends this request with 500 and nobody else's. */
export function call(work) {
  try {
    return work();
  } catch (error) {
    wasm.__stack_pointer.value = stackAtRest;
    complain("the router panicked", { error: String(error) });
    throw new Panic();
  }
}
