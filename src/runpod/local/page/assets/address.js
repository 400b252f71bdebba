// The part of the address after `#` holds what is chosen, so that reload, back and bookmarks work.

export function readAddress() {
    const fields = new URLSearchParams(location.hash.slice(1));
    return {
        selected: fields.get("job"),
        filter: {
            endpoint: fields.get("endpoint") ?? "",
            status: fields.get("status") ?? "",
            text: fields.get("q") ?? "",
        },
    };
}

/** Write it; a newly selected job is a step that the back button undoes, a filter is not. */
export function writeAddress(state) {
    const fields = new URLSearchParams();
    if (state.filter.endpoint) fields.set("endpoint", state.filter.endpoint);
    if (state.filter.status) fields.set("status", state.filter.status);
    if (state.filter.text) fields.set("q", state.filter.text);
    if (state.selected) fields.set("job", state.selected);
    const hash = fields.size === 0 ? "" : `#${fields}`;
    if (hash === location.hash) return;
    const isStep = (readAddress().selected ?? null) !== state.selected;
    history[isStep ? "pushState" : "replaceState"](null, "", location.pathname + hash);
}
