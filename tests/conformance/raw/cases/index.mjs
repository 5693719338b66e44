// All cases, each with its id: the group that it stands in, and its name.
import * as answers from "./answers.mjs";
import * as connection from "./connection.mjs";
import * as content from "./content.mjs";
import * as framing from "./framing.mjs";
import * as requests from "./requests.mjs";

const groups = { ...framing, ...requests, ...connection, ...content, ...answers };
const named = { old10: "HTTP/1.0", answerFields: "answers' fields", framings: "answers' frames" };

export const cases = Object.entries(groups).flatMap(([key, list]) =>
  list.map((one) => ({ ...one, group: named[key] ?? key, id: `${named[key] ?? key}: ${one.name}` })),
);

const twice = cases.map(({ id }) => id).filter((id, at, ids) => ids.indexOf(id) !== at);
if (twice.length) throw new Error(`two cases of one name: ${twice}`);
