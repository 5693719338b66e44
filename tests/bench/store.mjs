// The Cache API's store for the benchmark, in a process of its own: node store.mjs PORT.
import { cacheServer } from "../e2e/runtime/cache.mjs";

cacheServer().listen(Number(process.argv[2]), "127.0.0.1");
