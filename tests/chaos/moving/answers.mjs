// What must be so of every answer, whoever asked.

/** The router's own deadlines for a whole request, with what a busy machine takes more. */
const READ_MS = 16_000;
const WRITE_MS = 36_000;
const STATUSES = new Set([200, 502, 503, 504]);
const isProblem = ({ headers }) => /^application\/problem\+json/.test(headers?.["content-type"] ?? "");

/** `hurts(from, to)` says whether some region spoke for itself then: its own 503 or broken body passes where nobody has better words. */
export function answers({ records, hurts }, say) {
  for (const record of records) {
    const { status, headers, error, reused, start, end, left, read } = record;
    if (left) continue;
    if (end === undefined) say("no-answer", "it was never answered", record);
    else if (error && /ECONNRESET|EPIPE|hang up/.test(error) && reused) say("connection-reset", `a connection that was kept was reset: ${error}`, record);
    else if (error && !(error.startsWith("in the body") && hurts(start, end))) say("no-answer", `no answer: ${error}`, record);
    if (status === undefined) continue;
    if (end - start > (read ? READ_MS : WRITE_MS)) say("late", `answered after ${end - start} ms`, record);
    if (!STATUSES.has(status)) say("status", `answered with ${status}: ${JSON.stringify(record.json)}`, record);
    if (!headers["homing-reason"]) say("no-reason", "the answer has no Homing-Reason", record);
    if ((status === 503 || status === 504) && isProblem(record) && !(Number(headers["retry-after"]) > 0))
      say("no-retry-after", "a refusal without Retry-After", record);
    if (status === 503 && !isProblem(record) && !hurts(start, end))
      say("not-a-problem", "a 503 that is no problem+json, and no region answers with errors", record);
    if (!read && status >= 500 && !headers["homing-write-outcome"]) say("no-outcome", "a failed write does not say what became of it", record);
  }
}
