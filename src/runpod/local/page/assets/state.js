// What the page knows: endpoints, jobs, what is chosen. Views read it, and are told of changes.

import { STATUSES, hasEnded } from "./format.js";

// A browser tab may stay open for days. Beyond this, the oldest jobs that have ended are dropped.
const MOST_JOBS = 20_000;

export const keyOf = (job) => `${job.endpoint}/${job.id}`; // An ID of an endpoint has no slash.

export class State extends EventTarget {
    endpoints = new Map();
    jobs = new Map();
    connection = "connecting";
    baseUrl = "";
    version = "";
    filter = { endpoint: "", status: "", text: "" };
    selected = null; // the key of a job
    #clockOffset = 0;
    #arrivals = 0;
    #sorted = [];
    #isSorted = true;

    /** The time of the server's clock, in milliseconds. */
    get now() {
        return Date.now() + this.#clockOffset;
    }

    get isLive() {
        return this.connection === "live";
    }

    get hasJobs() {
        return this.jobs.size > 0;
    }

    get queueEndpoints() {
        return [...this.endpoints.values()].filter((endpoint) => endpoint.kind === "queue");
    }

    takeSnapshot(data) {
        this.baseUrl = data.base_url;
        this.version = data.version;
        this.endpoints = new Map(data.endpoints.map((endpoint) => [endpoint.id, endpoint]));
        this.jobs = new Map();
        this.#isSorted = false;
        this.#takeJobs(data);
        this.#tell("change", { ended: [] });
    }

    takeUpdate(data) {
        for (const endpoint of data.endpoints) this.endpoints.set(endpoint.id, endpoint);
        const ended = data.jobs.filter((job) => {
            const before = this.jobs.get(keyOf(job));
            return hasEnded(job.status) && !(before && hasEnded(before.status));
        });
        for (const [endpoint, id] of data.removed) {
            if (this.jobs.delete(`${endpoint}/${id}`)) this.#isSorted = false;
        }
        this.#takeJobs(data);
        this.#tell("change", { ended });
    }

    setConnection(connection) {
        if (connection === this.connection) return;
        this.connection = connection;
        this.#tell("connection");
    }

    setFilter(changes) {
        this.filter = { ...this.filter, ...changes };
        this.#tell("filter");
    }

    select(key) {
        if (key === this.selected) return;
        this.selected = key;
        this.#tell("select");
    }

    /** Choose what an address names, all at once. */
    restore({ filter, selected }) {
        this.filter = filter;
        this.selected = selected;
        this.#tell("select");
    }

    /** The jobs of the chosen endpoint, newest first. */
    jobsOfEndpoint() {
        const { endpoint } = this.filter;
        const sorted = this.#newestFirst();
        return endpoint === "" ? sorted : sorted.filter((job) => job.endpoint === endpoint);
    }

    /** The jobs that all filters let through, newest first. */
    visibleJobs() {
        const { status, text } = this.filter;
        const words = text.toLowerCase().split(/\s+/).filter(Boolean);
        return this.jobsOfEndpoint().filter((job) => {
            if (status !== "" && job.status !== status) return false;
            if (words.length === 0) return true;
            const where = [job.id, job.endpoint, job.summary, job.progress ?? "", job.worker_id ?? ""];
            const all = where.join("\n").toLowerCase();
            return words.every((word) => all.includes(word));
        });
    }

    /** How many jobs of the chosen endpoint have each status, and all of them under "". */
    counts() {
        const counts = new Map([["", 0], ...STATUSES.map((status) => [status, 0])]);
        for (const job of this.jobsOfEndpoint()) {
            counts.set("", counts.get("") + 1);
            counts.set(job.status, (counts.get(job.status) ?? 0) + 1);
        }
        return counts;
    }

    #takeJobs(data) {
        this.#clockOffset = data.now - Date.now();
        for (const job of data.jobs) {
            const key = keyOf(job);
            const before = this.jobs.get(key);
            if (before !== undefined && before.version > job.version) continue;
            job.key = key;
            job.arrival = before?.arrival ?? (this.#arrivals += 1);
            this.jobs.set(key, job);
            // A changed job takes the place of its older self.
            this.#isSorted = false;
        }
        if (this.jobs.size > MOST_JOBS) this.#dropOldest();
    }

    #newestFirst() {
        if (!this.#isSorted) {
            this.#sorted = [...this.jobs.values()].sort(
                (one, other) => other.submitted_at - one.submitted_at || other.arrival - one.arrival,
            );
            this.#isSorted = true;
        }
        return this.#sorted;
    }

    #dropOldest() {
        const oldest = this.#newestFirst().filter((job) => hasEnded(job.status)).reverse();
        for (const job of oldest.slice(0, this.jobs.size - MOST_JOBS)) this.jobs.delete(job.key);
        this.#isSorted = false;
    }

    #tell(type, detail = null) {
        this.dispatchEvent(new CustomEvent(type, { detail }));
    }
}
