// The JavaScript SDK. The tasks are documented in ours.py.

import assert from "node:assert";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The SDK is installed in the working directory, not next to this file.
const found = createRequire(`${process.cwd()}/`).resolve("runpod-sdk");
const { default: runpodSdk } = await import(pathToFileURL(found));

const [task, form] = process.argv.slice(2);
const given = JSON.parse(readFileSync(0, "utf8"));
const client = runpodSdk("bench", { baseUrl: process.env.RUNPOD_ENDPOINT_BASE_URL });
// Node.js reads CLOCK_MONOTONIC too.
const now = () => Number(process.hrtime.bigint()) / 1e9;

const run = {
  runSync: (endpoint, input) => endpoint.runSync({ input }),
  "run, statusSync": async (endpoint, input) => endpoint.statusSync((await endpoint.run({ input })).id),
}[form];

async function jobs(inputs) {
  const endpoint = client.endpoint("bench");
  const known = [];
  for (const input of inputs) {
    const result = await run(endpoint, input);
    known.push(now());
    assert.strictEqual(result.output, input.label);
  }
  return known;
}

function memory(name) {
  try {
    const found = readFileSync("/proc/self/status", "utf8").match(new RegExp(`${name}:\\s+(\\d+)`));
    return Number(found[1]) * 1024;
  } catch {
    return 0;
  }
}

function meter() {
  const before = memory("VmRSS");
  let [start, cpu] = [now(), process.cpuUsage()];
  return {
    start() {
      [start, cpu] = [now(), process.cpuUsage()];
    },
    stop(jobs) {
      const { user, system } = process.cpuUsage(cpu);
      return { jobs, seconds: now() - start, cpu: (user + system) / 1e6, peak: memory("VmHWM") - before };
    },
  };
}

async function calls(cells) {
  const costs = [];
  for (const { width, seconds, sent, takes, endpoint: id } of cells) {
    const endpoint = client.endpoint(id);
    const input = { label: "x".repeat(sent), seconds: takes };
    const call = async () => assert((await run(endpoint, input)).succeeded);
    const measured = meter();
    await Promise.all(Array.from({ length: width }, call));
    measured.start();
    const end = now() + seconds;
    const one = async () => {
      let done = 0;
      while (done === 0 || now() < end) {
        await call();
        done += 1;
      }
      return done;
    };
    const counts = await Promise.all(Array.from({ length: width }, one));
    costs.push(measured.stop(counts.reduce((sum, count) => sum + count, 0)));
  }
  return costs;
}

async function crowd(inputs) {
  const endpoint = client.endpoint("limited-polls");
  const waiting = inputs.map((input, index) => ({ input, index }));
  const known = inputs.map(() => null);
  const waits = [];
  const measured = meter();
  const submit = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const { input, index } = next;
      try {
        const { id } = await endpoint.run({ input }, 60_000);
        waits.push(
          endpoint.statusSync(id).then(
            (result) => {
              if (result.output === input.label) known[index] = now();
            },
            (error) => console.error(String(error)),
          ),
        );
      } catch (error) {
        console.error(String(error));
      }
    }
  };
  await Promise.all(Array.from({ length: 200 }, submit));
  await Promise.all(waits);
  return { known, cost: measured.stop(inputs.length) };
}

// As in load.py.
const RAMP = 1.0;

function* inputsOf({ jobs, sent, takes: [shortest, longest] }, end) {
  for (let number = 1; jobs ? number <= jobs : now() < end; number += 1) {
    yield { label: String(number).padEnd(sent, "x"), seconds: shortest + (longest - shortest) * ((number * 0.618) % 1) };
  }
}

async function many(cells) {
  const costs = [];
  for (const cell of cells) {
    const endpoint = client.endpoint(cell.endpoint);
    let [submitted, seen, steady] = [0, 0, 0];
    const measured = meter();
    const start = now();
    const end = start + RAMP + cell.seconds;
    const inputs = inputsOf(cell, end);
    const one = async () => {
      for (const input of inputs) {
        submitted += 1;
        try {
          const { output } = await run(endpoint, input);
          if (output === input.label) {
            seen += 1;
            if (start + RAMP <= now() && now() < end) steady += 1;
          } else console.error(input.label, output);
        } catch (error) {
          console.error(String(error));
        }
      }
    };
    await Promise.all(Array.from({ length: cell.width }, one));
    costs.push({ ...measured.stop(seen), submitted, steady, resident: memory("VmHWM") });
  }
  return costs;
}

const done = await { jobs: () => jobs(given.jobs), crowd: () => crowd(given.jobs), many: () => many(given.cells), calls: () => calls(given.cells) }[task]();
// The SDK may print, too. Only the last line is parsed.
process.stdout.write(`\n${JSON.stringify(done)}\n`, () => process.exit(0));
