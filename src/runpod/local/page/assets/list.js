// The jobs as a grid. Only the rows in sight are in the document, so that thousands stay smooth.

import { element, graphic, icon, setAttributes, setText } from "./dom.js";
import { clock, duration, label, moment, readable, shortId, spans } from "./format.js";
import { axisOf, describe, drawAxis, drawBar } from "./timeline.js";

const ROW = 46; // pixels, as in list.css
const HEAD = 30;
const SPARE = 6; // rows above and below those in sight

export class JobList {
    #rows = new Map();
    #jobs = [];
    #index = new Map();
    #active = null; // the key of the row that the arrow keys move
    #scheduled = false;

    constructor(grid, state, { onOpen }) {
        this.grid = grid;
        this.state = state;
        this.onOpen = onOpen;
        this.axis = graphic("svg", { "aria-hidden": "true", class: "axis" });
        this.axisCell = element("div", { role: "columnheader", class: "cell-line" });
        this.axisCell.append(element("span", { class: "hidden-text" }, "Timeline"), this.axis);
        const head = [
            element("div", { role: "columnheader", class: "cell-status" }, "Status"),
            element("div", { role: "columnheader", class: "cell-job" }, "Job"),
            element("div", { role: "columnheader", class: "cell-span" }, "Queued"),
            element("div", { role: "columnheader", class: "cell-span" }, "Running"),
            this.axisCell,
            element("div", { role: "columnheader", class: "cell-time" }, "Submitted"),
        ];
        this.body = element("div", { role: "rowgroup", class: "rows" });
        grid.append(
            element(
                "div",
                { role: "rowgroup", class: "rows-head" },
                element("div", { role: "row", "aria-rowindex": 1, class: "row-head" }, ...head),
            ),
            this.body,
        );
        grid.addEventListener("scroll", () => this.#schedule(), { passive: true });
        grid.addEventListener("keydown", (event) => this.#onKey(event));
        grid.addEventListener("click", (event) => this.#onClick(event));
        grid.addEventListener("focus", () => this.#onFocus());
        new ResizeObserver(() => this.#schedule()).observe(grid);
    }

    /** Take the jobs to show, newest first; what is in sight stays in place when new ones come above it. */
    show(jobs) {
        const first = Math.floor(this.grid.scrollTop / ROW);
        const anchor = first > 0 ? this.#jobs[first]?.key : undefined;
        this.#jobs = jobs;
        this.#index = new Map(jobs.map((job, index) => [job.key, index]));
        if (!this.#index.has(this.#active)) this.#active = null;
        setAttributes(this.grid, { "aria-rowcount": jobs.length + 1 });
        this.body.style.height = `${jobs.length * ROW}px`;
        const moved = this.#index.get(anchor);
        if (moved !== undefined && moved !== first) this.grid.scrollTop += (moved - first) * ROW;
        this.draw();
    }

    /** Draw the rows in sight as of now. */
    draw() {
        const jobs = this.#jobs;
        const { scrollTop, clientHeight } = this.grid;
        const from = Math.max(0, Math.floor(scrollTop / ROW) - SPARE);
        const to = Math.min(jobs.length, Math.ceil((scrollTop + clientHeight) / ROW) + SPARE);
        const now = this.state.now;
        const inSight = jobs.slice(Math.floor(scrollTop / ROW), Math.ceil((scrollTop + clientHeight - HEAD) / ROW));
        const width = Math.max(0, Math.floor(this.axisCell.clientWidth - 16));
        const axis = axisOf(inSight, now, width);
        if (width > 0) drawAxis(this.axis, axis, HEAD);
        const wanted = new Map(jobs.slice(from, to).map((job, index) => [job.key, from + index]));
        // The row that has the focus stays in the document, wherever it is: screen readers are told its ID.
        if (this.#active !== null) wanted.set(this.#active, this.#index.get(this.#active));
        for (const [key, row] of this.#rows) {
            if (!wanted.has(key)) {
                row.element.remove();
                this.#rows.delete(key);
            }
        }
        const ordered = [...wanted].sort(([, one], [, other]) => one - other);
        ordered.forEach(([, index], position) => this.#drawRow(jobs[index], index, position, axis, now));
        setAttributes(this.grid, { "aria-activedescendant": this.#rows.get(this.#active)?.element.id ?? null });
    }

    /** Move the focus to the list, as after a dialog. */
    focus() {
        this.grid.focus({ preventScroll: true });
    }

    /** Make this row the one that the arrow keys start from, and show it. */
    reveal(key) {
        const index = this.#index.get(key);
        if (index === undefined) return;
        this.#active = key;
        const { scrollTop, clientHeight } = this.grid;
        const top = index * ROW;
        if (top < scrollTop) this.grid.scrollTop = top;
        else if (top + ROW + HEAD > scrollTop + clientHeight) this.grid.scrollTop = top + ROW + HEAD - clientHeight;
        this.draw();
    }

    #schedule() {
        if (this.#scheduled) return;
        this.#scheduled = true;
        requestAnimationFrame(() => {
            this.#scheduled = false;
            this.draw();
        });
    }

    #drawRow(job, index, position, axis, now) {
        let row = this.#rows.get(job.key);
        if (row === undefined) {
            row = createRow(job);
            this.#rows.set(job.key, row);
        }
        // In the order of the list, for whoever reads the document rather than sees it.
        const there = this.body.children[position];
        if (there !== row.element) this.body.insertBefore(row.element, there ?? null);
        const isSelected = job.key === this.state.selected;
        setAttributes(row.element, {
            "aria-rowindex": index + 2,
            "aria-selected": isSelected,
            class: `row is-${job.status}${job.key === this.#active ? " is-active" : ""}`,
        });
        row.element.style.transform = `translateY(${index * ROW}px)`;
        if (row.status !== job.status) {
            row.status = job.status;
            row.statusCell.replaceChildren(icon(job.status), element("span", {}, label(job.status)));
        }
        const progress = job.status === "IN_PROGRESS" ? job.progress : null;
        setText(row.summary, progress ?? readable(job.summary));
        row.summary.classList.toggle("is-progress", progress !== null);
        setText(row.more, job.retries > 0 ? ` · ${job.retries === 1 ? "1 retry" : `${job.retries} retries`}` : "");
        const { queued, running } = spans(job, now);
        setText(row.queued, duration(queued));
        setText(row.running, running === null ? "–" : duration(running));
        if (axis.width > 0) {
            drawBar(row.line, job, axis, ROW - 1, now);
            setAttributes(row.line, { "aria-label": describe(job, now) });
        }
    }

    #onKey(event) {
        if (event.altKey || event.ctrlKey || event.metaKey || this.#jobs.length === 0) return;
        const page = Math.max(1, Math.floor((this.grid.clientHeight - HEAD) / ROW) - 1);
        const last = this.#jobs.length - 1;
        const at = this.#index.get(this.#active) ?? -1;
        const targets = {
            ArrowDown: Math.min(last, at + 1),
            ArrowUp: Math.max(0, at - 1),
            PageDown: Math.min(last, Math.max(0, at) + page),
            PageUp: Math.max(0, at - page),
            Home: 0,
            End: last,
        };
        if (Object.hasOwn(targets, event.key)) {
            const { key } = this.#jobs[targets[event.key]];
            this.reveal(key);
            // As in a mail program: an open job follows the arrow keys.
            if (this.state.selected !== null) this.state.select(key);
        } else if ((event.key === "Enter" || event.key === " ") && this.#active !== null) {
            this.onOpen(this.#active, { focus: true });
        } else {
            return;
        }
        event.preventDefault();
    }

    #onClick(event) {
        const row = event.target.closest(".row");
        if (row === null) return;
        const key = [...this.#rows].find(([, each]) => each.element === row)?.[0];
        if (key === undefined) return;
        this.#active = key;
        this.onOpen(key, { focus: false });
        this.draw();
    }

    #onFocus() {
        if (this.#active !== null || this.#jobs.length === 0) return;
        const first = Math.min(this.#jobs.length - 1, Math.ceil(this.grid.scrollTop / ROW));
        this.#active = this.#index.has(this.state.selected) ? this.state.selected : this.#jobs[first].key;
        this.draw();
    }
}

let created = 0;

function createRow(job) {
    created += 1;
    const statusCell = element("div", { role: "gridcell", class: "cell-status" });
    const summary = element("div", { class: "summary" });
    const more = element("span");
    const id = element("span", { class: "job-id", title: job.id }, shortId(job.id));
    const under = element("div", { class: "under" }, element("span", { class: "of-endpoint" }, job.endpoint), id, more);
    const queued = element("div", { role: "gridcell", class: "cell-span" });
    const running = element("div", { role: "gridcell", class: "cell-span" });
    const line = graphic("svg", { role: "img", class: "line" });
    const time = element(
        "div",
        { role: "gridcell", class: "cell-time", title: moment(job.submitted_at) },
        clock(job.submitted_at),
    );
    const row = element(
        "div",
        { role: "row", id: `row-${created}` },
        statusCell,
        element("div", { role: "gridcell", class: "cell-job" }, summary, under),
        queued,
        running,
        element("div", { role: "gridcell", class: "cell-line" }, line),
        time,
    );
    return { element: row, status: null, statusCell, summary, more, queued, running, line };
}
