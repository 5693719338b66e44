// Runs the suite once against a cache: node client.mjs SOURCE BASE [ID]. Prints the results as JSON; with an ID, what went over the
// wire too. A process of its own, for the suite keeps its results in its modules.
import { Agent, setGlobalDispatcher } from "undici";
import { engine, groups } from "./source.mjs";

const [, , text, base, id] = process.argv;
const where = JSON.parse(text);
const { runTests, getResults } = await engine(where, "client/runner.mjs");
let asked = await groups(where);
if (id) asked = asked.map((group) => ({ ...group, tests: group.tests.filter((test) => test.id === id).map((test) => ({ ...test, dump: true })) }));
asked = asked.filter(({ tests }) => tests.length);
// A proxy may close a connection that has been idle for 5 s at the moment at which it is used again, and that says nothing of its cache: so
// this side closes first. undici is what the suite itself takes for its tests of interim answers; miniflare has brought it along.
setGlobalDispatcher(new Agent({ keepAliveTimeout: 1_000, keepAliveMaxTimeout: 1_000 }));
// A few at a time: the tests wait for whole seconds, and a machine under load must not make them late.
const few = Number(process.env.AT_ONCE || 25);
await (where.pinned ? runTests(asked, false, base, few) : runTests(asked, (await import("node-fetch")).default, false, base, few));
process.stdout.write(`\nRESULTS${JSON.stringify(getResults())}`, () => process.exit(0));
