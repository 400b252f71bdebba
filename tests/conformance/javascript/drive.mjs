// Make calls with the JavaScript SDK. Reads calls and writes results, one JSON object per line.
// Run it in a folder in which the SDK is installed.

import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const send = (line) => process.stdout.write(JSON.stringify(line) + "\n");

// The SDK binds console.log while it is loaded. Its output must not mix with the results.
console.log = (...words) => send({ printed: words.join(" ") });

const require = createRequire(join(process.cwd(), "anything.mjs"));
const { default: runpodSdk } = await import(pathToFileURL(require.resolve("runpod-sdk")));

const functionsOf = (object) =>
  Object.getOwnPropertyNames(Object.getPrototypeOf(object)).filter((name) => name !== "constructor");

async function call({ number, name, apiKey, baseUrl, endpoint: id, arguments: given }) {
  const endpoint = runpodSdk(apiKey, { baseUrl }).endpoint(id);
  if (name === "functions") {
    return functionsOf(endpoint);
  }
  const result = endpoint[name](...given);
  if (!result[Symbol.asyncIterator]) {
    return await result;
  }
  for await (const item of result) {
    send({ number, item });
  }
  return { yielded: true };
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  const { number } = command;
  call(command).then(
    (result) => send({ number, result }),
    (error) => send({ number, error: { kind: error.name, message: error.message, status: error.response?.status } }),
  );
}
process.exit(0);
