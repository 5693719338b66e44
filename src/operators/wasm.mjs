// The operators' Wasm: a module of its own, instantiated when it is first needed.
import module from "./operators_bg.wasm";
import * as core from "homing-operators";

/** @type {ReturnType<typeof core.initSync> | undefined} */
let wasm;
let stackAtRest = 0;

/** Calls into it; a trap there harms no later call. @template T @param {(wasm: typeof core) => T} work */
export function inside(work) {
  if (!wasm) {
    wasm = core.initSync({ module });
    stackAtRest = wasm.__stack_pointer.value;
  }
  try {
    return work(core);
  } catch (error) {
    wasm.__stack_pointer.value = stackAtRest;
    throw error;
  }
}
