// What stands in the place of the list when there is nothing to list.

import { button, element, icon } from "./dom.js";

// In single quotes for a POSIX shell.
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** A command that submits a first job. The page does not know the key: the shell takes it from the environment. */
export function firstCommand(baseUrl, endpoint) {
    return [
        `curl ${quoted(`${baseUrl}/${encodeURIComponent(endpoint)}/run`)} \\`,
        '  -H "Authorization: Bearer $RUNPOD_API_KEY" \\',
        `  -H 'Content-Type: application/json' \\`,
        `  -d '{"input": {"prompt": "a horse"}}'`,
    ].join("\n");
}

export function drawEmpty(host, state, visible, { onNew, onClear, onCopied }) {
    const kind = kindOf(state, visible);
    const drawn = JSON.stringify([kind, state.filter.endpoint, state.baseUrl, state.isLive, [...state.endpoints.keys()]]);
    if (host.dataset.drawn === drawn) return;
    host.dataset.drawn = drawn;
    host.hidden = kind === "none";
    host.replaceChildren(...CONTENTS[kind](state, { onNew, onClear, onCopied }));
}

function kindOf(state, visible) {
    if (visible > 0) return "none";
    if (state.connection === "connecting") return "connecting";
    if (state.endpoints.get(state.filter.endpoint)?.kind === "load_balancer") return "balancer";
    if (state.jobsOfEndpoint().length > 0) return "filtered";
    if (state.filter.endpoint !== "" && !state.endpoints.has(state.filter.endpoint)) return "filtered";
    return state.queueEndpoints.length > 0 ? "first" : "balancer";
}

const title = (text) => element("h3", {}, text);

const CONTENTS = {
    none: () => [],
    connecting: () => [element("p", {}, "Connecting to the server…")],
    balancer: () => [
        title("No queue here"),
        element("p", {}, "Requests to a load-balancing endpoint go to a worker at once. They are not jobs, and are not listed."),
    ],
    filtered: (_state, { onClear }) => [
        title("No job matches"),
        element("p", {}, "No job has this endpoint, status and text."),
        button("Clear the filters", onClear, { class: "primary" }),
    ],
    first: (state, { onNew, onCopied }) => {
        const chosen = state.filter.endpoint || state.queueEndpoints[0].id;
        const command = firstCommand(state.baseUrl, chosen);
        return [
            title("No jobs yet"),
            element("p", {}, "Submit one here, or from a terminal that has the key which the server printed:"),
            element(
                "div",
                { class: "command" },
                element("pre", { tabindex: "0", role: "group", "aria-label": "Command that submits a job" }, command),
                button(icon("copy"), () => onCopied(command, "command"), { class: "quiet", "aria-label": "Copy the command" }),
            ),
            button("New job", onNew, { class: "primary", disabled: !state.isLive }),
        ];
    },
};
