// A file of tests whose set-up fails half way: PLANTED=region starts regions with an argument that they do not know, PLANTED=router a
// router that was never built. harness.test.mjs runs it.
import { after, before, test } from "node:test";
import { startOrigin, startRegions, startRouter, stopAll, topology } from "../harness.mjs";

before(async () => {
  await startOrigin((request, response) => response.end());
  const regions = await startRegions();
  const { url } = await startRouter({ vars: topology(regions) });
  for (const one of [url.origin, ...Object.values(regions).map((region) => region.url)]) console.log(`started ${one}`);
  if (process.env.PLANTED === "region") await startRegions({ args: (name) => (name === "eu" ? ["--unheard-of"] : []) });
  else await startRouter({ vars: topology(regions), build: "build/never-built" });
});
after(stopAll);

test("never begins", () => {});
