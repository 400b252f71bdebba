// Numbers, times and statuses as people read them.

export const STATUSES = ["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"];

const LABELS = {
    IN_QUEUE: "Queued",
    IN_PROGRESS: "Running",
    COMPLETED: "Completed",
    FAILED: "Failed",
    CANCELLED: "Cancelled",
    TIMED_OUT: "Timed out",
};
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const INTEGER = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export const label = (status) => (Object.hasOwn(LABELS, status) ? LABELS[status] : String(status));
export const integer = (value) => INTEGER.format(value);
export const clock = (time) => CLOCK.format(time);
export const moment = (time) => `${DAY.format(time)}, ${CLOCK.format(time)}`;
export const plural = (count, noun, nouns = `${noun}s`) => `${integer(count)} ${count === 1 ? noun : nouns}`;
export const hasEnded = (status) => status !== "IN_QUEUE" && status !== "IN_PROGRESS";

/** A span of milliseconds with at most three digits: 820 ms, 2.14 s, 1 min 05 s, 2 h 03 min. */
export function duration(span) {
    const ms = Math.max(0, Math.round(span));
    if (ms < 1000) return `${ms} ms`;
    if (ms < 9995) return `${(ms / 1000).toFixed(2)} s`;
    if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
    const seconds = Math.round(ms / 1000);
    const two = (value) => String(value).padStart(2, "0");
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
    const minutes = Math.floor(seconds / 60);
    if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
    return `${Math.floor(minutes / 1440)} d ${two(Math.floor((minutes % 1440) / 60))} h`;
}

export function bytes(size) {
    if (size < 1000) return `${size} B`;
    let value = size;
    for (const unit of ["kB", "MB", "GB"]) {
        value /= 1000;
        if (value < 999.5 || unit === "GB") return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${unit}`;
    }
    return "";
}

/** How long the job waited and ran, until now if it still does; null for what it did not do. */
export function spans(job, now) {
    const waited = (job.started_at ?? job.ended_at ?? now) - job.queued_at;
    const ran = job.started_at === null ? null : (job.ended_at ?? now) - job.started_at;
    return { queued: Math.max(0, waited), running: ran === null ? null : Math.max(0, ran) };
}

/** The beginning of an input without the noise of JSON: `prompt: "a horse", seed: 7`. */
export function readable(summary) {
    if (!summary.startsWith("{")) return summary;
    const inner = summary.slice(1).replace(/}$/, "").trim();
    const text = inner.replace(/"((?:[^"\\]|\\.)*)"(?:\s*(:)\s*)?/g, (found, key, colon) => (colon ? `${key}: ` : found));
    return text || "{}";
}

/** The part of an ID that people compare: its first characters. */
export const shortId = (id) => (id.length > 22 ? `${id.slice(0, 18)}…` : id);
