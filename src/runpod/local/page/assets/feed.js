// The feed of events, with reconnection.

import { askWhy } from "./api.js";

const DELAYS = [300, 1000, 2000, 4000]; // milliseconds

// A browser opens six connections to a host at most, of all its tabs together, and each feed holds one. So a tab that comes
// into sight asks those that are out of sight to give theirs up; they listen again when they are looked at.
const RELEASE = "release";

/**
 * Listen to the server until the page is closed.
 *
 * `onSnapshot` and `onUpdate` get the data. `onState` gets "live", "reconnecting" (the connection broke), "stopped" (the
 * server said good-bye) or "signed-out" (it does not know this browser's cookie; nothing is tried any more).
 */
export class Feed {
    #attempts = 0;
    #source = null;
    #stopped = false;
    #isReleased = false;
    #tabs = new BroadcastChannel("runpod-page");

    constructor({ onSnapshot, onUpdate, onState }) {
        this.onSnapshot = onSnapshot;
        this.onUpdate = onUpdate;
        this.onState = onState;
    }

    start() {
        this.#tabs.addEventListener("message", (event) => {
            if (event.data === RELEASE && document.hidden) this.#release();
        });
        document.addEventListener("visibilitychange", () => this.#look());
        this.#isReleased = true;
        this.#look();
    }

    #look() {
        if (document.hidden) return;
        this.#tabs.postMessage(RELEASE);
        if (!this.#isReleased) return;
        this.#isReleased = false;
        this.#listen();
    }

    #release() {
        this.#isReleased = true;
        this.#source?.close();
        this.#source = null;
    }

    #listen() {
        // Released or begun again while a reconnection was waiting.
        if (this.#isReleased || this.#source !== null) return;
        const source = new EventSource("/page/events");
        this.#source = source;
        const take = (handler) => (event) => {
            if (source === this.#source) handler(JSON.parse(event.data));
        };
        source.addEventListener(
            "snapshot",
            take((data) => {
                this.#attempts = 0;
                this.#stopped = false;
                this.onSnapshot(data);
                this.onState("live");
            }),
        );
        source.addEventListener("update", take(this.onUpdate));
        source.addEventListener("bye", () => {
            this.#stopped = true;
            this.#reconnect(source);
        });
        source.addEventListener("error", () => this.#reconnect(source));
    }

    // Not left to EventSource: it gives up after some errors, and does not say what it waits for.
    async #reconnect(source) {
        if (source !== this.#source) return;
        this.#source = null;
        source.close();
        if ((await askWhy()) === "signed-out") {
            this.onState("signed-out");
            return;
        }
        this.onState(this.#stopped ? "stopped" : "reconnecting");
        const delay = DELAYS[Math.min(this.#attempts, DELAYS.length - 1)];
        this.#attempts += 1;
        setTimeout(() => this.#listen(), delay);
    }
}
