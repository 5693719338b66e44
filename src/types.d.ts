// What the platform and the build hand to the JavaScript of the router, for tsc alone.

declare module "homing-wasm" {
  interface Wasm {
    readonly __stack_pointer: WebAssembly.Global;
  }
  export function initSync(of: { module: WebAssembly.Module }): Wasm;
  export function configure(compiled: string, sessionKey: string, sessionKeyOld: string, originKey: string, flags: string): string;
  export function warnings(): string;
  export function begin(now: number, latitude: number, longitude: number, incoming: string, offered: string): string;
  export function again(id: number, now: number, latitude: number, longitude: number): boolean;
  export function is_coded(entry: string): boolean;
  export function passed_over(): string;
  export function cookies_read(): string;
  export function resume(id: number, now: number, event: string): string;
  export function abandon(id: number, now: number): void;
  export function published(text: string, now: number): number;
  export function drilled(): string;
  export function drill_over(id: string, now: number): void;
  export function not_stored(key: string, now: number): void;
  export function measured(text: string, now: number): void;
  export function vantages(now: number): string;
  export function home_hint(): DurableObjectLocationHint | "";
  export function view_every(said: string): number;
  export function snapshot(now: number): string;
  export function suggestions(): string;
}

declare module "homing-operators" {
  interface Wasm {
    readonly __stack_pointer: WebAssembly.Global;
  }
  /** What `api` asks of the router's own side. */
  export interface Router {
    ask(input: string): Promise<string>;
    keepHomes(list: string): Promise<string>;
    snapshot(): string;
    cache(): string;
    examine(told: string): Promise<string>;
    suggestions(): string;
  }
  export function initSync(of: { module: WebAssembly.Module }): Wasm;
  export function configure(vars: string, sessionKey: string, sessionKeyOld: string, originKey: string, flags: string): string;
  /** Throws what is wrong with them, as a text. */
  export function compiled(vars: string): string;
  export function api(request: Request, env: Env, router: Router): Promise<Response>;
  export function authority(ledger: string, input: string, now: number): string;
  export function probe_plan(said: string): string;
  export function probed(state: string, from: string, answers: string, view: string, every: number, now: number): string;
}

/** What `src/tools/compiled.mjs` makes: the compiled form of vars, by their text. */
declare module "homing-compiled" {
  const compiled: Map<string, string>;
  export default compiled;
}

declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}

/**
 * What wrangler.toml and `wrangler secret` give the router; the names of service bindings are the configuration's own. What may be missing
 * is asked for before it is used.
 */
interface Env {
  HOMES?: KVNamespace;
  DIRECTORY: DurableObjectNamespace;
  AUTHORITY: DurableObjectNamespace;
  PROBERS: DurableObjectNamespace;
  REGIONS?: Record<string, unknown>;
  DATASETS?: Record<string, { lease?: string }>;
  SESSION_KEY?: string;
  SESSION_KEY_OLD?: string;
  ORIGIN_KEY?: string;
  DEV?: boolean | string;
  LOG?: string;
  VIEW?: string;
  PROBES?: string;
  JURISDICTION?: DurableObjectJurisdiction;
}

/** An object as its stubs show it: what it has to say comes later. The platform's own type of that is too deep for tsc. */
type Remote<T> = { [K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never };

/** Which object is behind which binding. */
interface Objects {
  DIRECTORY: import("./edge/directory.mjs").Directory;
  AUTHORITY: import("./operators/authority.mjs").Authority;
  PROBERS: import("./operators/prober.mjs").Prober;
}
