// The JavaScript end of the wire against the cases of tests/golden/wire.txt, which tests/wire.rs writes and holds the Rust end to; and that no
// other JavaScript of the router takes its text apart.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fieldsFor, readFields, readHead, readNames, readStep, writeEvent, writeFacts, writeOffered } from "../../src/edge/wire.mjs";

/** @import { CoreEvent, Effect, Send, Source, Step, Store } from "../../src/edge/wire.mjs" */

const root = join(import.meta.dirname, "../..");

/** The cases of a kind: what each is of, its text, and what that means. */
const cases = (/** @type {"facts" | "offered" | "step" | "event"} */ of) =>
  readFileSync(join(root, "tests/golden/wire.txt"), "utf8")
    .split("\n\n## ")
    .slice(1)
    .map((text) => {
      const [head, meaning] = text.replaceAll("⇥", "\t").split("\n=>\n");
      const [title, kind, ...lines] = head.split("\n");
      return { title, kind, text: lines.join("\n"), meaning: JSON.parse(meaning) };
    })
    .filter(({ kind }) => kind === of);

for (const { title, text, meaning } of cases("step")) {
  test(`step: ${title}`, () => {
    // As data: without what is not there.
    assert.deepEqual(JSON.parse(JSON.stringify(readStep(text))), meaning);
  });
}

for (const { title, text, meaning } of cases("event")) {
  test(`event: ${title}`, () => {
    const { kind, status, closes, fields } = meaning;
    const response = { status, headers: new Headers(fields), body: status === 204 ? null : {} };
    const event = kind === "response" ? readHead(/** @type {any} */ (response), !closes) : meaning;
    assert.equal(writeEvent(event), text);
  });
}

for (const { title, text, meaning } of cases("facts")) {
  test(`facts: ${title}`, () => {
    const { method, url, continent, body, fields } = meaning;
    const client = readFields(new Headers(fields));
    assert.equal(writeFacts(method, url, client, { continent: continent ?? "" }, body).facts, text);
    const pairs = Array.from({ length: client.list.length / 2 }, (_, at) => client.list.slice(2 * at, 2 * at + 2));
    assert.deepEqual([new Map(/** @type {any} */ (pairs)), client.isText], [new Map(fields), true]);
  });
}

for (const { title, text, meaning } of cases("offered")) {
  test(`offered: ${title}`, () => assert.equal(writeOffered(meaning ?? undefined), text));
}

/** What those who ask alike have in common, of a request with these fields. */
function alike(/** @type {Record<string, string>} */ fields, { method = "GET", told = {} } = {}) {
  // What the platform makes of bytes that are no UTF-8 Node's own fields do not take.
  const client = readFields(/** @type {any} */ (new Map(Object.entries(fields))), {
    fields: new Set(readNames("cf-ray\ncookie\nuser-agent")),
    cookies: readNames("__Host-homing\nsid"),
  });
  return writeFacts(method, "https://a.example/", client, { continent: "", ...told }, client.hasContent ? "some" : "none").alike;
}

test("who asks alike differs in nothing but the fields that are passed over", () => {
  const one = alike({ accept: "*/*", "cf-ray": "1", "user-agent": "one" });
  assert.equal(alike({ accept: "*/*", "cf-ray": "2", "user-agent": "two" }), one);
  assert.equal(alike({ accept: "*/*" }), one);
  assert.equal(alike({ cookie: "a=1; theme=dark" }), alike({ cookie: "theme=light" }), "cookies that nobody reads");
  const others = [
    alike({ accept: "text/html" }),
    alike({ accept: "*/*", cookie: "a=1" }),
    alike({ accept: "*/*", cookie: "a=1; sid=2" }),
    alike({ accept: "*/*", cookie: "a=2; sid=2" }),
    alike({ accept: "*/*", cookie: "__Host-homing=x" }),
    alike({ accept: "*/*", "content-length": "0" }),
    alike({ accept: "*/*" }, { method: "HEAD" }),
    alike({ accept: "*/*" }, { told: { continent: "EU" } }),
    alike({ accept: "*/*" }, { told: { accepts: "br" } }),
    alike({ accept: "*/*" }, { told: { accepts: "gzip" } }),
    alike({ accept: "*/*", "accept-encoding": "br" }),
  ];
  assert.equal(new Set([one, ...others]).size, 11, "what the platform tells of a client is what its field would say");
});

test("nobody asks alike whose fields are too many, too long, or no text: those may be refused for what is passed over", () => {
  const many = (/** @type {number} */ count) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`x-${n}`, ""]));
  assert.ok(alike(many(64)) && alike({ "user-agent": "x".repeat(8000) }));
  assert.deepEqual([alike(many(65)), alike({ "user-agent": "x".repeat(8200) }), alike({ "user-agent": "\ufffd" })], [undefined, undefined, undefined]);
});

test("everything that crosses has a case", () => {
  // tsc holds these to the types: one that is missing or too many is an error.
  /** @type {Record<Step["kind"], true>} */
  const steps = { probe: true, "look-up": true, assign: true, send: true, answer: true, finish: true };
  /** @type {Record<CoreEvent["kind"], true>} */
  const events = {
    cache: true,
    answered: true,
    home: true,
    "no-home": true,
    "home-failed": true,
    response: true,
    unreadable: true,
    "timed-out": true,
    lost: true,
    broken: true,
    unsent: true,
  };
  /** @type {Record<Source["kind"], true>} */
  const sources = { origin: true, own: true, stored: true, head: true };
  /** @type {Record<Store["base"]["kind"], true>} */
  const bases = { origin: true, stored: true };
  /** @type {Record<Effect["kind"], true>} */
  const effects = { forget: true, "outdated-view": true, drill: true, publish: true, confirm: true, tell: true, memo: true, log: true };
  /** @type {Record<Send["body"], true>} */
  const bodies = { empty: true, held: true, upload: true };

  const read = cases("step").map(({ meaning }) => meaning);
  const ends = read.map((step) => step.finish ?? step).filter(({ kind }) => kind === "finish");
  const same = (/** @type {string[]} */ found, /** @type {object} */ wanted) => assert.deepEqual([...new Set(found)].sort(), Object.keys(wanted).sort());
  const kinds = (/** @type {{ kind: string }[]} */ of) => of.map(({ kind }) => kind);
  same(kinds(read), steps);
  same(kinds(cases("event").map(({ meaning }) => meaning)), events);
  same(kinds(ends.map(({ source }) => source)), sources);
  same(kinds(ends.flatMap(({ store }) => (store ? [store.base] : []))), bases);
  same(kinds(ends.flatMap(({ effects }) => effects)), effects);
  same(
    read.flatMap(({ body }) => body ?? []),
    bodies,
  );
});

test("a step that nobody knows is an error, and no step", () => {
  assert.throws(() => readStep("F\n200\no\n\n\n\n"), /a step that nobody knows: F/);
  assert.throws(() => readStep("finish\n200\nelsewhere\n\n\n\n"), /a source that nobody knows/);
  assert.throws(() => readStep("finish\n200\norigin\n\n\nwhat\tever\n\n"), /an effect that nobody knows/);
});

/** A send with those edits. @param {string} usual @param {string} edits */
const send = (usual, edits) =>
  /** @type {Send} */ (readStep(`send\n7\nGET\n\nhttps://a.example/\n1\n0\n0\nstream\nempty\nplain\ndeaf\nread\n${usual}\n${edits}\n`));

test("edits give the platform's fields and a client's as text the same", () => {
  const step = send("=via\tus\n=homing-region\teu\n", "-a\n-via\n=b\tnew\n+c\tmore\n+d\tfirst\n");
  const fields = { a: "1", b: "2", c: "3", e: "5", via: "them" };
  const client = readFields(new Headers(fields));
  const made = { b: "new", c: "3, more", d: "first", e: "5", "homing-region": "eu", via: "us" };
  assert.deepEqual(Object.fromEntries(fieldsFor(client, step)), made);
  assert.deepEqual(Object.fromEntries(fieldsFor({ ...client, isText: false }, step)), made);
  assert.deepEqual(Object.fromEntries(fieldsFor(client, step)), made, "what the client has sent stays for the next send");
  const more = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`x-${at}`, String(at)]));
  const many = readFields(new Headers({ ...fields, ...more }));
  assert.deepEqual(
    Object.fromEntries(fieldsFor({ ...many, list: [] }, step)),
    { d: "first", c: "more", b: "new", "homing-region": "eu", via: "us" },
    "few are set",
  );
  assert.deepEqual(Object.fromEntries(fieldsFor(many, step)), { ...made, ...more });
  assert.deepEqual(Object.fromEntries(many.headers), { ...fields, ...more }, "and what the platform has stays as it is");
});

test("fields that are kept ready are nobody's to change", () => {
  const step = send("=via\tus\n", "=x\t1\n");
  const client = readFields(new Headers());
  fieldsFor(client, step).set("via", "another");
  assert.deepEqual(Object.fromEntries(fieldsFor(client, step)), { via: "us", x: "1" });
  for (let at = 0; at < 200; at++) assert.equal(fieldsFor(client, send(`=via\t${at}\n`, "")).get("via"), String(at));
});

test("what is removed and added again as it was stays as the platform has it", () => {
  const step = send("", "-set-cookie\n+set-cookie\ta=1, b=2\n-x\n");
  const native = new Headers([
    ["set-cookie", "a=1"],
    ["set-cookie", "b=2"],
    ["x", "1"],
  ]);
  step.edits.applyTo(/** @type {any} */ (native));
  assert.deepEqual(native.getSetCookie(), ["a=1", "b=2"]);
  assert.equal(native.has("x"), false);
});

test("no other file of the router takes the wire's text apart", () => {
  const files = globSync("src/**/*.mjs", { cwd: root }).filter((name) => name !== "src/edge/wire.mjs");
  assert.ok(files.length > 20);
  for (const name of files) {
    const text = readFileSync(join(root, name), "utf8");
    assert.doesNotMatch(text, /\blines\[|\.split\("(?:\\t|\\n)"\)(?!\.forEach)/, `${name} knows what stands in a line: that is for wire.mjs`);
  }
});
