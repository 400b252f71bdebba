// Cancel, retry and purge, with a question where something is lost.

import { RequestError, cancelJob, purgeQueue, retryJob } from "./api.js";
import { button, element } from "./dom.js";
import { plural, shortId } from "./format.js";

export class Actions {
    constructor(dialog, { say, fail }) {
        this.dialog = dialog;
        this.say = say;
        this.fail = fail;
    }

    async cancel(job) {
        const question =
            job.status === "IN_PROGRESS"
                ? "The job is running. What it has done so far is lost."
                : "The job is removed from the queue.";
        if (!(await this.#confirm("Cancel this job?", question, "Cancel job", "Keep job"))) return;
        await this.#run(() => cancelJob(job.endpoint, job.id), () => `Job ${shortId(job.id)} was cancelled.`);
    }

    async retry(job) {
        await this.#run(() => retryJob(job.endpoint, job.id), () => `Job ${shortId(job.id)} is queued again.`);
    }

    async purge(endpoint) {
        const count = endpoint.counts.IN_QUEUE;
        const text = `${plural(count, "queued job")} of ${endpoint.id} will be removed. Running jobs go on.`;
        if (!(await this.#confirm("Purge the queue?", text, "Purge queue", "Keep jobs"))) return;
        await this.#run(
            () => purgeQueue(endpoint.id),
            (result) => `${plural(result.removed, "job")} of ${endpoint.id} ${result.removed === 1 ? "was" : "were"} removed.`,
        );
    }

    async #run(send, message) {
        try {
            this.say(message(await send()));
        } catch (error) {
            if (!(error instanceof RequestError)) throw error;
            this.fail(error.message);
        }
    }

    #confirm(title, text, yes, no) {
        const { dialog } = this;
        if (dialog.open) return Promise.resolve(false);
        return new Promise((resolve) => {
            const form = element(
                "form",
                { method: "dialog" },
                element("h2", { id: "confirm-title" }, title),
                element("p", {}, text),
                element(
                    "div",
                    { class: "dialog-buttons" },
                    button(no, () => dialog.close("no"), { autofocus: true }),
                    button(yes, () => dialog.close("yes"), { class: "danger" }),
                ),
            );
            dialog.replaceChildren(form);
            dialog.returnValue = "no";
            dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
            dialog.showModal();
        });
    }
}
