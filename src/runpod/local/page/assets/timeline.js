// When jobs waited and ran, on one axis for all rows: a thin line while queued, a thick bar while running.

import { graphic, setAttributes } from "./dom.js";
import { clock, duration, spans } from "./format.js";

const SECOND = 1000;
const STEPS = [
    0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400,
].map((seconds) => seconds * SECOND);
const HALF_LETTER = 3.2; // pixels: half a digit of the labels, and what is between them
const GAP = 6;
const SMALLEST = 2; // pixels: what happened is to be seen, however short it was

/** The axis over the times of these jobs; it ends now if one of them has not ended. */
export function axisOf(jobs, now, width) {
    let start = Infinity;
    let end = -Infinity;
    for (const job of jobs) {
        start = Math.min(start, job.queued_at);
        end = Math.max(end, job.ended_at ?? now);
    }
    if (start > end) [start, end] = [now - SECOND, now];
    const span = Math.max(end - start, 50);
    const most = Math.max(2, Math.floor(width / 76)); // labels that fit beside each other
    const step = STEPS.find((each) => span / each <= most) ?? Math.ceil(span / most / STEPS.at(-1)) * STEPS.at(-1);
    const ticks = [];
    for (let tick = Math.ceil(start / step) * step; tick <= end; tick += step) ticks.push(tick);
    return { start, span, width, step, ticks };
}

const place = (axis, time) => ((time - axis.start) / axis.span) * axis.width;

const lines = (axis, height) =>
    axis.ticks.map((tick) => {
        const x = place(axis, tick).toFixed(1);
        return graphic("line", { class: "grid-line", x1: x, x2: x, y1: 0, y2: height });
    });

/** The labels above the rows. */
export function drawAxis(svg, axis, height) {
    setAttributes(svg, { width: axis.width, height, viewBox: `0 0 ${axis.width} ${height}` });
    const labels = [];
    let end = -GAP; // of the last label
    for (const tick of axis.ticks) {
        const tenth = axis.step < SECOND ? `.${Math.floor((tick % SECOND) / 100)}` : "";
        const text = clock(tick) + tenth;
        const half = text.length * HALF_LETTER;
        const x = Math.min(Math.max(place(axis, tick), half), axis.width - half);
        if (x - half < end + GAP) continue;
        end = x + half;
        labels.push(graphic("text", { x: x.toFixed(1), y: height - 11, "text-anchor": "middle" }, text));
    }
    svg.replaceChildren(...labels);
}

/** The bar of one job. */
export function drawBar(svg, job, axis, height, now) {
    setAttributes(svg, { width: axis.width, height, viewBox: `0 0 ${axis.width} ${height}` });
    const middle = height / 2;
    const queuedFrom = place(axis, job.queued_at);
    const queuedTo = place(axis, job.started_at ?? job.ended_at ?? now);
    const parts = [...lines(axis, height), box("bar-queued", queuedFrom, queuedTo, middle, 3, axis)];
    if (job.started_at !== null) {
        parts.push(box(`bar-running is-${job.status}`, queuedTo, place(axis, job.ended_at ?? now), middle, 12, axis));
    }
    svg.replaceChildren(...parts);
}

function box(name, from, to, middle, thickness, axis) {
    const width = Math.max(SMALLEST, to - from);
    const x = Math.min(from, axis.width - width);
    return graphic("rect", {
        class: name,
        x: x.toFixed(1),
        y: middle - thickness / 2,
        width: width.toFixed(1),
        height: thickness,
        rx: Math.min(2, width / 2),
    });
}

/** The same in words. */
export function describe(job, now) {
    const { queued, running } = spans(job, now);
    if (running === null) return `Queued for ${duration(queued)}.`;
    return `Queued for ${duration(queued)}, ${job.ended_at === null ? "running" : "ran"} for ${duration(running)}.`;
}
