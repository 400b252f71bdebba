// Puts the parts of the page together.

import { Actions } from "./actions.js";
import { readAddress, writeAddress } from "./address.js";
import { Detail } from "./detail.js";
import { button, element, icon, setAttributes, setText } from "./dom.js";
import { drawEmpty } from "./empty.js";
import { EndpointList, drawChooser, drawTitle } from "./endpoints.js";
import { Feed } from "./feed.js";
import { STATUSES, integer, label, plural } from "./format.js";
import { JobList } from "./list.js";
import { Notices } from "./notices.js";
import { State } from "./state.js";
import { SubmitForm, inputText } from "./submit.js";
import { Throughput } from "./throughput.js";

const TICK = 500; // milliseconds between drawings of what only time changes

const byId = (id) => document.getElementById(id);
const state = new State();
const notices = new Notices({ pill: byId("pill"), banner: byId("banner"), toast: byId("toast"), live: byId("live") });
const actions = new Actions(byId("confirm"), { say: (text) => notices.say(text), fail: (text) => notices.fail(text) });
const list = new JobList(byId("jobs"), state, { onOpen: openJob });
const detail = new Detail(byId("detail"), state, {
    onClose: closeJob,
    onCancel: (job) => actions.cancel(job),
    onRetry: (job) => actions.retry(job),
    onReuse: reuse,
    onCopied: copy,
});
const endpoints = new EndpointList(byId("endpoints"), state, {
    onPurge: (endpoint) => actions.purge(endpoint),
    onOpen: openJob,
});
const throughput = new Throughput(byId("throughput"));
const form = new SubmitForm(byId("submit"), state, { onSubmitted: showSubmitted });
const narrow = matchMedia("(max-width: 860px)");
let submitted = null; // the key of a job that was just submitted, until the feed brings it

function openJob(key, { focus }) {
    state.select(key);
    if (focus || narrow.matches) detail.focus();
}

function closeJob() {
    state.select(null);
    list.focus();
}

function reuse(job, shown) {
    const text = shown === null ? null : inputText(shown.input);
    if (text === null) notices.fail("The input of this job is too large to be edited here.");
    else form.open(job.endpoint, text);
}

function showSubmitted(job) {
    const key = `${job.endpoint}/${job.id}`;
    const { endpoint } = state.filter;
    state.setFilter({ endpoint: endpoint === "" || endpoint === job.endpoint ? endpoint : "", status: "", text: "" });
    submitted = key;
    state.select(key);
    list.reveal(key);
    list.focus();
    notices.say(`A job was submitted to ${job.endpoint}.`);
}

async function copy(text, what) {
    try {
        await navigator.clipboard.writeText(text);
        notices.say(`The ${what} was copied.`);
    } catch {
        notices.fail(`The browser did not allow the copy. Select the ${what}, and copy it by hand.`);
    }
}

// Filters

const search = byId("search");
const chooser = byId("endpoint-chooser");
const chips = new Map(
    ["", ...STATUSES].map((status) => {
        const count = element("span", { class: "count" });
        const chip = button("", () => state.setFilter({ status: state.filter.status === status ? "" : status }), {
            class: `chip is-${status || "all"}`,
        });
        const name = status === "" ? "All" : label(status);
        chip.append(...(status === "" ? [] : [icon(status)]), element("span", { class: "chip-name" }, name), " ", count);
        chip.title = name;
        byId("statuses").append(chip);
        return [status, { chip, count }];
    }),
);
search.addEventListener("input", () => state.setFilter({ text: search.value }));
search.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" && event.key !== "Enter") return;
    event.stopPropagation();
    event.preventDefault();
    if (event.key === "Escape" && search.value !== "") {
        search.value = "";
        state.setFilter({ text: "" });
    } else {
        list.focus();
    }
});
chooser.addEventListener("change", () => state.setFilter({ endpoint: chooser.value }));

function clearFilters() {
    search.value = "";
    state.setFilter({ endpoint: "", status: "", text: "" });
    list.focus();
}

// Drawing: at most once for each frame, however much has changed.

let isScheduled = false;

function schedule() {
    if (isScheduled) return;
    isScheduled = true;
    requestAnimationFrame(() => {
        isScheduled = false;
        draw();
    });
}

function draw() {
    const jobs = state.visibleJobs();
    const counts = state.counts();
    for (const [status, { chip, count }] of chips) {
        setText(count, integer(counts.get(status)));
        setAttributes(chip, { "aria-pressed": String(status === state.filter.status) });
    }
    if (document.activeElement !== search && search.value !== state.filter.text) search.value = state.filter.text;
    byId("jobs").hidden = jobs.length === 0;
    list.show(jobs);
    if (submitted !== null && state.jobs.has(submitted)) {
        list.reveal(submitted);
        submitted = null;
        // The list could not take the focus while it was hidden, as there was no job.
        if (document.querySelector("dialog[open]") === null) list.focus();
    }
    drawEmpty(byId("empty"), state, jobs.length, { onNew, onClear: clearFilters, onCopied: copy });
    endpoints.draw();
    drawChooser(chooser, state);
    drawTitle(state);
    throughput.draw(state.jobsOfEndpoint(), state.now);
    setText(byId("shown"), plural(jobs.length, "job"));
    setText(byId("base-url"), state.baseUrl);
    byId("new-job").disabled = !state.isLive || state.queueEndpoints.length === 0;
    detail.show();
    document.body.classList.toggle("has-detail", state.selected !== null);
    // Where the detail covers the page, what is below it cannot be reached.
    byId("page").inert = narrow.matches && state.selected !== null;
}

function tick() {
    if (document.hidden) return;
    list.draw();
    detail.tick();
    throughput.draw(state.jobsOfEndpoint(), state.now);
}

function onNew() {
    form.open(state.filter.endpoint || state.jobs.get(state.selected)?.endpoint || "");
}

state.addEventListener("change", (event) => {
    notices.tellEnded(event.detail.ended);
    schedule();
});
state.addEventListener("connection", () => {
    notices.showConnection(state.connection);
    schedule();
});
for (const type of ["filter", "select"]) {
    state.addEventListener(type, () => {
        writeAddress(state);
        if (type === "filter") byId("jobs").scrollTop = 0;
        draw();
    });
}

byId("new-job").addEventListener("click", onNew);
byId("copy-url").append(icon("copy"));
byId("copy-url").addEventListener("click", () => copy(state.baseUrl, "base URL"));
byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    (byId("jobs").hidden ? byId("new-job") : byId("jobs")).focus();
});
document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]") !== null) return;
    if (event.key === "/" && !event.target.closest("input, textarea, select")) {
        event.preventDefault();
        search.focus();
        search.select();
    } else if (event.key === "Escape" && state.selected !== null) {
        closeJob();
    }
});
narrow.addEventListener("change", schedule);

function takeAddress() {
    const address = readAddress();
    search.value = address.filter.text;
    state.restore(address);
}

window.addEventListener("popstate", takeAddress);
notices.showConnection(state.connection);
takeAddress();
setInterval(tick, TICK);
new Feed({
    onSnapshot: (data) => state.takeSnapshot(data),
    onUpdate: (data) => state.takeUpdate(data),
    onState: (connection) => state.setConnection(connection),
}).start();
