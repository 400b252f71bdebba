// Requests to the server. The cookie goes along by itself, and only to this origin.

/** A number as it was written: a larger integer than 2^53, or 1.0, would be another one as a number of JavaScript. */
export class ExactNumber {
    constructor(source) {
        this.source = source;
    }
}

/** Parse JSON without changing a number, where the browser can tell how it was written. */
export function parseExact(text) {
    const revive = (_key, value, context) => {
        const source = context?.source;
        return typeof value === "number" && source !== undefined && source !== String(value)
            ? new ExactNumber(source)
            : value;
    };
    try {
        return JSON.parse(text, revive);
    } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        return JSON.parse(text); // Nested too deeply for a function that is called for each value.
    }
}

export class RequestError extends Error {
    constructor(status, message) {
        super(message);
        this.status = status;
    }
}

async function request(path, options) {
    let response;
    let text;
    try {
        response = await fetch(path, { cache: "no-store", credentials: "same-origin", ...options });
        text = await response.text();
    } catch {
        throw new RequestError(0, "The server cannot be reached. Is it still running?");
    }
    let body = null;
    try {
        body = parseExact(text);
    } catch {
        // The message below says what is wrong.
    }
    if (response.ok && body !== null) return body;
    const message = typeof body?.error === "string" ? body.error : `The server responded with HTTP ${response.status}.`;
    throw new RequestError(response.status, message);
}

const post = (path, body) =>
    request(path, { method: "POST", headers: { "Content-Type": "application/json" }, body });

const endpointPath = (endpoint) => `/page/endpoints/${encodeURIComponent(endpoint)}`;
const jobPath = (endpoint, id) => `${endpointPath(endpoint)}/jobs/${encodeURIComponent(id)}`;

export const getJob = (endpoint, id, signal) => request(jobPath(endpoint, id), { signal });
export const getLastInput = (endpoint) => request(`${endpointPath(endpoint)}/last-input`, {});
export const cancelJob = (endpoint, id) => post(`${jobPath(endpoint, id)}/cancel`, "{}");
export const retryJob = (endpoint, id) => post(`${jobPath(endpoint, id)}/retry`, "{}");
export const purgeQueue = (endpoint) => post(`${endpointPath(endpoint)}/purge-queue`, "{}");

/** Submit a job. `input` is JSON text, which is sent as it was typed: large integers stay what they are. */
export function submitJob(endpoint, input, policy) {
    const more = policy === null ? "" : `,"policy":${JSON.stringify(policy)}`;
    return post(`${endpointPath(endpoint)}/jobs`, `{"input":${input}${more}}`);
}

/** Why the feed does not answer: "signed-out", or "unreachable" for anything else. */
export async function askWhy() {
    try {
        const response = await fetch("/", { cache: "no-store", credentials: "same-origin" });
        return response.status === 401 || response.status === 403 ? "signed-out" : "unreachable";
    } catch {
        return "unreachable";
    }
}
