// The JavaScript SDK. What a peer does is said in ours.py.

import assert from "node:assert";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// It is installed in the working folder, not beside this file.
const found = createRequire(`${process.cwd()}/`).resolve("runpod-sdk");
const { default: runpodSdk } = await import(pathToFileURL(found));

const [form, jobs] = [process.argv[2], JSON.parse(process.argv[3])];
const endpoint = runpodSdk("bench", { baseUrl: process.env.RUNPOD_ENDPOINT_BASE_URL }).endpoint("bench");
const known = [];
for (const input of jobs) {
  let result;
  if (form === "runSync") {
    result = await endpoint.runSync({ input });
  } else {
    const { id } = await endpoint.run({ input });
    result = await endpoint.statusSync(id);
  }
  // Node.js reads CLOCK_MONOTONIC too.
  known.push(Number(process.hrtime.bigint()) / 1e9);
  assert.strictEqual(result.output, input.label);
}
console.log(JSON.stringify(known));
