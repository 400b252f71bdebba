// What the page says: the state of the connection, results of actions, and what changed, for screen readers.

import { button, element, icon, setAttributes, setText } from "./dom.js";
import { label, plural, shortId } from "./format.js";

const CONNECTIONS = {
    connecting: ["Connecting", ""],
    live: ["Live", ""],
    reconnecting: ["Reconnecting", "The connection to the server broke. It is tried again; until then this is the last known state."],
    stopped: ["Stopped", "The server has stopped. This is its last state; the page goes on when it is back."],
    "signed-out": [
        "Signed out",
        "The server does not know this browser, as after a restart. For a new address, press Enter in the terminal where " +
            "“serve” runs, or use LocalServer.page_url; then open that address.",
    ],
};
const SHOWN = 6000; // milliseconds

export class Notices {
    #timer = 0;

    constructor({ pill, banner, toast, live }) {
        this.pill = pill;
        this.banner = banner;
        this.toast = toast;
        this.live = live;
        this.text = element("span");
        toast.append(this.text, button(icon("close"), () => this.#hide(), { class: "quiet", "aria-label": "Close this message" }));
    }

    showConnection(connection) {
        const [name, text] = CONNECTIONS[connection];
        setAttributes(this.pill, { class: `pill is-${connection}` });
        setText(this.pill.lastElementChild, name);
        this.banner.hidden = text === "";
        setText(this.banner, text);
    }

    /** Say what an action did. It goes away by itself. */
    say(text) {
        this.#show(text, "");
        this.#timer = setTimeout(() => this.#hide(), SHOWN);
        this.announce(text);
    }

    /** Say what went wrong. It stays until it is closed. */
    fail(text) {
        this.#show(text, " is-error");
        this.announce(text);
    }

    /** Tell screen readers, without interrupting them. */
    announce(text) {
        setText(this.live, text);
    }

    /** Tell of failures: what went well can be heard on request, and would be too much. */
    tellEnded(jobs) {
        const bad = jobs.filter((job) => job.status === "FAILED" || job.status === "TIMED_OUT");
        if (bad.length === 1) {
            const [job] = bad;
            this.announce(`Job ${shortId(job.id)} of ${job.endpoint}: ${label(job.status)}.`);
        } else if (bad.length > 1) {
            this.announce(`${plural(bad.length, "job")} failed or timed out.`);
        }
    }

    #show(text, kind) {
        clearTimeout(this.#timer);
        setText(this.text, text);
        setAttributes(this.toast, { class: `toast${kind}` });
        this.toast.hidden = false;
    }

    #hide() {
        clearTimeout(this.#timer);
        this.toast.hidden = true;
    }
}
