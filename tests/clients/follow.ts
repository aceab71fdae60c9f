// Runs an execution, follows what it prints, ends another one, by the types that were made of the document.
import createClient from "openapi-fetch";
import type { components, paths } from "./api";

type Schemas = components["schemas"];

const [url, token] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: `${url}/api/v1`, headers: { Authorization: `Bearer ${token}` } });

/** What was asked for, and no problem. */
function given<T>(answer: { data?: T; error?: Schemas["Problem"] }): T {
  if (answer.data === undefined) throw new Error(`the manager answers with ${answer.error?.detail}`);
  return answer.data;
}

function expect(holds: boolean, what: unknown): void {
  if (!holds) throw new Error(`not as expected: ${JSON.stringify(what)}`);
}

/** What an execution prints, until its end. */
async function follow(id: number): Promise<string> {
  const answer = await client.GET("/executions/{id}/output", {
    params: { path: { id } },
    headers: { Accept: "text/event-stream" },
    parseAs: "stream",
  });
  const stream = answer.data;
  if (!stream) throw new Error("there is no output to be followed");
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  let text = "";
  let rest = "";
  let event = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text;
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("event: ")) event = line.slice(7);
      if (line.startsWith("data: ") && event === "output") {
        const piece: Schemas["OutputPiece"] = JSON.parse(line.slice(6));
        text += piece.text ?? "";
      }
      if (line.startsWith("data: ") && event === "end") {
        const ended: Schemas["Execution"] = JSON.parse(line.slice(6));
        expect(ended.status === "finished" && ended.exitCode === 0, ended);
      }
    }
  }
}

async function main(): Promise<void> {
  const script = "printf '%s' 'echo hello \"$1\"; if [ \"$1\" = long ]; then sleep 1000; fi' > main.sh";
  const activity = given(await client.POST("/activities", { body: { name: "typescript", script, onLost: "fail" } }));
  expect(activity.onLost === "fail" && activity.source === "inline", activity);
  const execution = given(await client.POST("/executions", { body: { activity: "typescript", input: "you" } }));
  expect(execution.status === "waiting", execution);
  expect((await follow(execution.id)) === "hello you\n", "its output");
  const one = { params: { path: { id: execution.id }, query: { wait: 30 } } };
  const seen = given(await client.GET("/executions/{id}", one));
  expect(seen.finishedAt !== undefined && seen.finishedAt >= seen.submittedAt, seen);
  const page = given(await client.GET("/executions", { params: { query: { status: "finished", limit: 10 } } }));
  expect(page.items.some((item) => item.id === execution.id), page);
  const long = given(await client.POST("/executions", { body: { activity: "typescript", input: "long" } }));
  const path = { id: long.id };
  given(await client.POST("/executions/{id}/terminate", { params: { path } }));
  const ended = given(await client.GET("/executions/{id}", { params: { path, query: { wait: 60 } } }));
  expect(ended.status === "terminated", ended);
  const missing = await client.GET("/executions/{id}", { params: { path: { id: 123456 } } });
  expect(missing.error?.type === "urn:pod:problem:no-such-execution", missing.error);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
