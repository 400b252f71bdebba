// Makes the calls of the JavaScript SDK that its input asks for, a JSON object a line, and says what came of each.
// Run it in a folder in which the SDK is installed.

import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

// The SDK prints with what console.log is while it is loaded, and would print between these lines.
console.log = (...words) => say({ printed: words.join(" ") });

const require = createRequire(join(process.cwd(), "anything.mjs"));
const { default: runpodSdk } = await import(pathToFileURL(require.resolve("runpod-sdk")));

const functionsOf = (object) =>
  Object.getOwnPropertyNames(Object.getPrototypeOf(object)).filter((name) => name !== "constructor");

async function carryOut({ number, name, apiKey, baseUrl, endpoint: id, arguments: given }) {
  const endpoint = runpodSdk(apiKey, { baseUrl }).endpoint(id);
  if (name === "functions") {
    return functionsOf(endpoint);
  }
  const result = endpoint[name](...given);
  if (!result[Symbol.asyncIterator]) {
    return await result;
  }
  for await (const item of result) {
    say({ number, item });
  }
  return { yielded: true };
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  const { number } = command;
  carryOut(command).then(
    (result) => say({ number, result }),
    (error) => say({ number, error: { kind: error.name, message: error.message, status: error.response?.status } }),
  );
}
process.exit(0);
