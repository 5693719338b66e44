// Runs the suite once against a cache: node client.mjs BASE [ID]. Prints the results as JSON; with an ID, what went over the wire too.
import fetch from "node-fetch";
import { client, groups } from "./suite.mjs";

const [base, id] = process.argv.slice(2);
const { runTests, getResults } = await client();
let asked = await groups();
if (id) asked = asked.map((group) => ({ ...group, tests: group.tests.filter((test) => test.id === id).map((test) => ({ ...test, dump: true })) }));
// A few at a time: the tests wait for whole seconds, and a machine under load must not make them late.
await runTests(asked.filter(({ tests }) => tests.length), fetch, false, base, Number(process.env.AT_ONCE || 25));
console.log(`\nRESULTS${JSON.stringify(getResults())}`);
