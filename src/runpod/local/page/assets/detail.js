// One job: its facts, media, output, stream, error and input.

import { RequestError, getJob } from "./api.js";
import { button, element, graphic, icon, setAttributes, setText } from "./dom.js";
import { clock, duration, hasEnded, label, moment, spans } from "./format.js";
import { jsonText } from "./json_tree.js";
import { sections } from "./sections.js";
import { axisOf, describe, drawAxis, drawBar } from "./timeline.js";

const AXIS = 22; // pixels
const BAR = 26;

export class Detail {
    #key = null;
    #version = -1; // of the detail that is shown
    #loading = null; // an AbortController
    #shown = null; // the last detail
    #drawn = new Map(); // what each section shows, to leave alone what did not change
    #opened = new Map(); // which parts of which JSON are open

    constructor(panel, state, { onClose, onCancel, onRetry, onReuse, onCopied }) {
        this.panel = panel;
        this.state = state;
        this.actions = { onCancel, onRetry, onReuse, onCopied };
        this.title = element("h2", { tabindex: "-1", id: "detail-title" });
        this.status = element("span", { class: "badge" });
        this.buttons = element("div", { class: "detail-buttons" });
        this.facts = element("dl", { class: "facts" });
        this.axis = graphic("svg", { "aria-hidden": "true", class: "axis" });
        this.bar = graphic("svg", { role: "img" });
        this.times = element("div", { class: "detail-line" }, this.axis, this.bar);
        this.content = element("div", { class: "detail-content" });
        const close = button(icon("close"), onClose, { class: "quiet", "aria-label": "Close the job" });
        const copy = button(icon("copy"), () => onCopied(this.state.jobs.get(this.#key)?.id ?? "", "ID"), {
            class: "quiet",
            "aria-label": "Copy the ID of the job",
        });
        panel.append(
            element("header", { class: "detail-head" }, this.status, this.title, copy, close),
            element("div", { class: "detail-scroll", tabindex: "0", role: "group", "aria-labelledby": "detail-title" },
                this.buttons, this.facts, this.times, this.content),
        );
        new ResizeObserver(() => this.tick()).observe(this.times);
    }

    /** Show the selected job, or nothing. */
    show() {
        const key = this.state.selected;
        if (key !== this.#key) {
            this.#loading?.abort();
            this.#loading = null;
            this.#key = key;
            this.#version = -1;
            this.#shown = null;
            this.#drawn.clear();
            this.#opened.clear();
            this.content.replaceChildren();
            this.panel.querySelector(".detail-scroll").scrollTop = 0;
        }
        this.panel.hidden = key === null;
        if (key === null) return;
        const job = this.state.jobs.get(key);
        if (job === undefined) {
            this.#showMissing();
            return;
        }
        this.#drawHead(job);
        this.tick();
        if (job.version > this.#version) this.#load(job);
    }

    focus() {
        this.title.focus();
    }

    /** Draw what depends on the time. */
    tick() {
        const job = this.state.jobs.get(this.#key);
        if (job === undefined || this.panel.hidden) return;
        const { now } = this.state;
        const width = Math.floor(this.times.clientWidth);
        if (width > 0) {
            const axis = axisOf([job], now, width);
            drawAxis(this.axis, axis, AXIS);
            drawBar(this.bar, job, axis, BAR, now);
            setAttributes(this.bar, { "aria-label": describe(job, now) });
        }
        const { queued, running } = spans(job, now);
        setText(this.#fact("Queued"), duration(queued));
        setText(this.#fact("Running"), running === null ? "–" : duration(running));
    }

    #fact(name) {
        return this.facts.querySelector(`[data-fact="${name}"]`) ?? element("dd");
    }

    #showMissing() {
        const [endpoint, id] = split(this.#key);
        setText(this.title, id);
        setText(this.status, this.state.connection === "connecting" ? "" : "Gone");
        setAttributes(this.status, { class: "badge" });
        this.buttons.replaceChildren();
        this.facts.replaceChildren();
        this.times.hidden = true;
        this.#drawn.clear();
        const text = `There is no job ${id} of the endpoint ${endpoint} on this server: it was deleted, or its result expired.`;
        this.content.replaceChildren(
            element("p", { class: "note" }, this.state.connection === "connecting" ? "Connecting…" : text),
        );
    }

    #drawHead(job) {
        this.times.hidden = false;
        setText(this.title, job.id);
        setAttributes(this.status, { class: `badge is-${job.status}` });
        const { isLive } = this.state;
        const head = JSON.stringify([job, isLive]);
        if (this.#drawn.get("head") === head) return;
        this.#drawn.set("head", head);
        this.status.replaceChildren(icon(job.status), label(job.status));
        this.#drawButtons(job, isLive);
        this.#drawFacts(job);
    }

    #drawButtons(job, isLive) {
        const focused = document.activeElement?.dataset?.action;
        const add = (action, name, onclick, disabled) =>
            button(name, onclick, { "data-action": action, disabled: disabled || !isLive });
        const buttons = [];
        if (!hasEnded(job.status)) buttons.push(add("cancel", "Cancel job", () => this.actions.onCancel(job)));
        if (job.status === "FAILED" || job.status === "TIMED_OUT") {
            buttons.push(add("retry", "Retry", () => this.actions.onRetry(job)));
        }
        buttons.push(add("reuse", "Edit and resubmit", () => this.actions.onReuse(job, this.#shown), this.#shown === null));
        this.buttons.replaceChildren(...buttons);
        if (focused && !this.panel.contains(document.activeElement)) {
            const again = this.buttons.querySelector(`[data-action="${focused}"]:enabled`);
            if (again !== null || focused !== undefined) (again ?? this.title).focus();
        }
    }

    #drawFacts(job) {
        const detail = this.#shown;
        const facts = [
            ["Endpoint", job.endpoint],
            ["Submitted", clock(job.submitted_at), moment(job.submitted_at)],
            ["Queued", ""],
            ["Running", ""],
            ["Ended", job.ended_at === null ? "–" : clock(job.ended_at), job.ended_at && moment(job.ended_at)],
            ["Worker", job.worker_id ?? "–"],
        ];
        if (job.retries > 0) facts.push(["Retries", String(job.retries)]);
        for (const [name, value] of Object.entries(detail?.policy ?? {})) {
            const fact = Object.hasOwn(POLICY, name) ? POLICY[name](value) : null;
            if (fact !== null) facts.push(fact);
        }
        if (typeof detail?.webhook === "string") facts.push(["Webhook", detail.webhook]);
        this.facts.replaceChildren(
            ...facts.map(([name, value, title]) =>
                element("div", {}, element("dt", {}, name), element("dd", { "data-fact": name, title: title || value }, value)),
            ),
        );
    }

    async #load(job) {
        // One request at a time: a job that changes often is read again when the last response is here.
        if (this.#loading !== null) return;
        const loading = new AbortController();
        this.#loading = loading;
        let detail = null;
        let problem = null;
        try {
            detail = await getJob(job.endpoint, job.id, loading.signal);
        } catch (error) {
            if (!(error instanceof RequestError)) throw error;
            problem = error;
        }
        if (loading.signal.aborted || loading !== this.#loading) return;
        this.#loading = null;
        if (problem !== null) {
            // The feed says what became of the job or of the server; without it the message is all there is.
            this.#version = job.version;
            if (this.#shown === null) this.content.replaceChildren(element("p", { class: "note" }, problem.message));
            return;
        }
        this.#version = Math.max(job.version, Number(detail.version));
        this.#shown = detail;
        this.#drawn.delete("head");
        this.#drawContent(detail);
        this.show();
    }

    #drawContent(detail) {
        const wanted = sections(detail, this.#opened, this.actions.onCopied);
        const kept = new Map([...this.content.children].map((child) => [child.dataset.section, child]));
        const children = wanted.map(({ name, data, draw }) => {
            const signature = signatureOf(data, detail.version);
            if (kept.has(name) && this.#drawn.get(name) === signature) return kept.get(name);
            this.#drawn.set(name, signature);
            const section = draw();
            section.dataset.section = name;
            return section;
        });
        // Elements that stay are not moved: a player would stop, a focus would be lost.
        for (const child of [...this.content.children]) if (!children.includes(child)) child.remove();
        children.forEach((child, index) => {
            if (this.content.children[index] !== child) this.content.insertBefore(child, this.content.children[index] ?? null);
        });
    }
}

const POLICY = {
    executionTimeout: (value) => ["Execution timeout", duration(Number(value))],
    ttl: (value) => ["TTL", duration(Number(value))],
    lowPriority: (value) => (value === true ? ["Priority", "low"] : null),
};

export function split(key) {
    const slash = key.indexOf("/");
    return [key.slice(0, slash), key.slice(slash + 1)];
}

function signatureOf(data, version) {
    try {
        return jsonText(data);
    } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        return `version ${version}`; // Nested too deeply to compare.
    }
}

