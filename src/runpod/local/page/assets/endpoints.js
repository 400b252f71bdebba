// The endpoints, their workers, and which one is chosen.

import { button, element, icon } from "./dom.js";
import { integer, plural, shortId } from "./format.js";

const WORKER_STATES = {
    initializing: "starting",
    ready: "idle",
    running: "running",
    throttled: "throttled",
    unhealthy: "unhealthy",
};
const MOST_DOTS = 24;

export class EndpointList {
    #drawn = "";

    constructor(host, state, { onPurge, onOpen }) {
        this.host = host;
        this.state = state;
        this.onPurge = onPurge;
        this.onOpen = onOpen;
        this.list = element("ul", { class: "endpoints" });
        host.append(element("h2", {}, "Endpoints"), this.list);
    }

    draw() {
        const { state } = this;
        const endpoints = [...state.endpoints.values()];
        const drawn = JSON.stringify([endpoints, state.filter.endpoint, state.isLive]);
        if (drawn === this.#drawn) return;
        this.#drawn = drawn;
        const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
        const items = endpoints.map((endpoint) => this.#item(endpoint));
        if (endpoints.length > 1) items.unshift(this.#all(endpoints));
        this.list.replaceChildren(...items);
        if (focused !== undefined) {
            [...this.list.querySelectorAll("button")].find((each) => each.dataset.focus === focused)?.focus();
        }
    }

    #all(endpoints) {
        const count = (status) => endpoints.reduce((sum, each) => sum + (each.counts[status] ?? 0), 0);
        return element("li", {}, this.#chooser("", "All endpoints", "queue", summary(count("IN_QUEUE"), count("IN_PROGRESS"))));
    }

    #item(endpoint) {
        const isChosen = endpoint.id === this.state.filter.endpoint;
        const isQueue = endpoint.kind === "queue";
        const text = isQueue
            ? summary(endpoint.counts.IN_QUEUE, endpoint.counts.IN_PROGRESS)
            : `load balancer · ${plural(endpoint.workers.length, "worker")}`;
        const chooser = this.#chooser(endpoint.id, endpoint.id, isQueue ? "queue" : "balancer", text);
        chooser.append(dots(endpoint.workers));
        const item = element("li", {}, chooser);
        if (isChosen) item.append(this.#workers(endpoint));
        return item;
    }

    #chooser(id, name, kind, text) {
        const { state } = this;
        const isChosen = id === state.filter.endpoint;
        const chosen = button("", () => state.setFilter({ endpoint: isChosen ? "" : id }), {
            class: "endpoint",
            "aria-pressed": String(isChosen),
            "data-focus": `endpoint ${id}`,
        });
        chosen.append(
            icon(kind),
            element("span", { class: "endpoint-name", title: name }, name),
            element("span", { class: "endpoint-counts" }, text),
        );
        return chosen;
    }

    #workers(endpoint) {
        const rows = endpoint.workers.map((worker) => {
            const text = WORKER_STATES[worker.state] ?? worker.state;
            const key = `${endpoint.id}/${worker.job_id}`;
            const job = worker.job_id === null || !this.state.jobs.has(key)
                ? null
                : button(shortId(worker.job_id), () => this.onOpen(key, { focus: true }), {
                    class: "job-link",
                    "aria-label": `Open the job ${worker.job_id}`,
                    "data-focus": `worker ${worker.id}`,
                });
            return element(
                "li",
                {},
                element("span", { class: `dot is-${worker.state}`, "aria-hidden": "true" }),
                element("span", { class: "worker-id", title: worker.id }, worker.id),
                job ?? element("span", { class: "worker-state" }, text),
            );
        });
        const none = element("p", { class: "note" }, "No workers: jobs wait until one is started.");
        const box = element("div", { class: "workers" }, rows.length ? element("ul", {}, ...rows) : none);
        if (endpoint.kind === "queue") {
            box.append(
                button("Purge queue", () => this.onPurge(endpoint), {
                    disabled: !this.state.isLive || endpoint.counts.IN_QUEUE === 0,
                    "data-focus": `purge ${endpoint.id}`,
                }),
            );
        }
        return box;
    }
}

function summary(queued, running) {
    return `${integer(queued)} queued · ${integer(running)} running`;
}

// One mark for each worker: its shape says whether it runs a job, and the text does for those who cannot see it.
function dots(workers) {
    const counts = new Map();
    for (const worker of workers) counts.set(worker.state, (counts.get(worker.state) ?? 0) + 1);
    const words = [...counts].map(([state, count]) => `${count} ${WORKER_STATES[state] ?? state}`).join(", ");
    const marks = workers.slice(0, MOST_DOTS).map((worker) =>
        element("span", { class: `dot is-${worker.state}`, title: `${worker.id}: ${WORKER_STATES[worker.state] ?? worker.state}` }),
    );
    const more = workers.length > MOST_DOTS ? `+${integer(workers.length - MOST_DOTS)}` : null;
    return element(
        "span",
        { class: "dots" },
        element("span", { "aria-hidden": "true" }, ...marks, more),
        element("span", { class: "hidden-text" }, words === "" ? "no workers" : `workers: ${words}`),
    );
}

/** The endpoints as a chooser, where there is no room for a list. */
export function drawChooser(select, state) {
    const ids = [...state.endpoints.keys()];
    const drawn = JSON.stringify(ids);
    if (select.dataset.drawn !== drawn) {
        select.dataset.drawn = drawn;
        const options = ids.map((id) => element("option", { value: id }, id));
        select.replaceChildren(element("option", { value: "" }, "All endpoints"), ...options);
    }
    select.value = state.filter.endpoint;
}

export function drawTitle(state) {
    let running = 0;
    let queued = 0;
    for (const endpoint of state.endpoints.values()) {
        running += endpoint.counts.IN_PROGRESS ?? 0;
        queued += endpoint.counts.IN_QUEUE ?? 0;
    }
    const busy = running + queued > 0 ? `${integer(running)} running, ${integer(queued)} queued · ` : "";
    if (document.title !== `${busy}Runpod local server`) document.title = `${busy}Runpod local server`;
}

