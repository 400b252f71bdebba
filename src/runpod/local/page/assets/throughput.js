// How many jobs ended in the last minutes: numbers, and a small plot.

import { element, graphic, setAttributes, setText } from "./dom.js";
import { clock, duration, integer, plural, spans } from "./format.js";

const MINUTES = 5;
const BIN = 5000; // milliseconds
const BINS = (MINUTES * 60_000) / BIN;
const HEIGHT = 56;

export class Throughput {
    #figures = new Map();
    #svg = graphic("svg", { class: "plot", role: "img", height: HEIGHT, preserveAspectRatio: "none" });
    #most = element("span", { class: "plot-most", "aria-hidden": "true" });
    #from = element("span");
    #drawn = "";

    constructor(host) {
        const figures = element("dl", { class: "figures" });
        for (const [name, title] of [
            ["ended", `Ended in ${MINUTES} min`],
            ["failed", "Not completed"],
            ["queued", "Median wait"],
            ["running", "Median run"],
        ]) {
            const value = element("dd", {}, "–");
            this.#figures.set(name, value);
            figures.append(element("div", {}, element("dt", {}, title), value));
        }
        const axis = element("div", { class: "plot-axis", "aria-hidden": "true" }, this.#from, element("span", {}, "now"));
        const legend = element(
            "p",
            { class: "plot-title" },
            element("span", {}, "Throughput"),
            element("span", { class: "legend is-good" }, "completed"),
            element("span", { class: "legend is-bad" }, "not completed"),
        );
        const plot = element("div", { class: "plot-box" }, this.#svg, this.#most);
        host.append(figures, element("div", { class: "plot-side" }, legend, plot, axis));
        this.host = host;
    }

    /** Draw the jobs of the chosen endpoint. */
    draw(jobs, now) {
        // The edges of the bars stay where they are on the clock, so that a bar only grows while it is the last one.
        const end = Math.ceil(now / BIN) * BIN;
        const start = end - BINS * BIN;
        const good = new Array(BINS).fill(0);
        const bad = new Array(BINS).fill(0);
        const recent = jobs.filter((job) => job.ended_at !== null && job.ended_at >= start);
        for (const job of recent) {
            const bin = Math.min(BINS - 1, Math.floor((job.ended_at - start) / BIN));
            (job.status === "COMPLETED" ? good : bad)[bin] += 1;
        }
        const notCompleted = bad.reduce((sum, count) => sum + count, 0);
        const ran = recent.filter((job) => job.started_at !== null).map((job) => spans(job, now));
        setText(this.#figures.get("ended"), integer(recent.length));
        setText(this.#figures.get("failed"), integer(notCompleted));
        setText(this.#figures.get("queued"), median(ran.map((each) => each.queued)));
        setText(this.#figures.get("running"), median(ran.map((each) => each.running)));
        const width = Math.round(this.#svg.parentElement.clientWidth);
        const drawn = JSON.stringify([start, width, good, bad]);
        if (drawn === this.#drawn) return;
        this.#drawn = drawn;
        const most = Math.max(1, ...good.map((count, bin) => count + bad[bin]));
        this.#bars(good, bad, most, width);
        setText(this.#most, `${most} in ${BIN / 1000} s`);
        this.#most.hidden = recent.length === 0;
        setText(this.#from, clock(start));
        setAttributes(this.#svg, {
            "aria-label":
                `${plural(recent.length, "job")} ended in the last ${MINUTES} minutes, ${integer(notCompleted)} of them ` +
                `not completed; at most ${most} in ${BIN / 1000} seconds.`,
        });
    }

    #bars(good, bad, most, width) {
        const step = width / BINS;
        const bars = [];
        for (let bin = 0; bin < BINS; bin += 1) {
            let bottom = HEIGHT - 1;
            for (const [count, name] of [
                [good[bin], "plot-good"],
                [bad[bin], "plot-bad"],
            ]) {
                if (count === 0) continue;
                const height = Math.max(2, (count / most) * (HEIGHT - 6));
                const inset = name === "plot-bad" ? 0.75 : 0; // half of its outline
                const place = { x: (bin * step + inset).toFixed(2), y: (bottom - height + inset).toFixed(2) };
                const size = { width: Math.max(1, step - 1 - 2 * inset).toFixed(2), height: (height - 2 * inset).toFixed(2) };
                bars.push(graphic("rect", { class: name, ...place, ...size }));
                bottom -= height;
            }
        }
        const base = graphic("line", { class: "plot-base", x1: 0, x2: width, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 });
        setAttributes(this.#svg, { viewBox: `0 0 ${Math.max(1, width)} ${HEIGHT}` });
        this.#svg.replaceChildren(...bars, base);
    }
}

function median(values) {
    if (values.length === 0) return "–";
    const sorted = values.sort((one, other) => one - other);
    const middle = Math.floor(sorted.length / 2);
    return duration(sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2);
}
