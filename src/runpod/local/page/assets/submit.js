// The form that submits a job.

import { RequestError, getLastInput, submitJob } from "./api.js";
import { button, element, setAttributes, setText } from "./dom.js";
import { checkInput } from "./json_check.js";
import { isShortened, jsonText } from "./json_tree.js";

const EXAMPLE = '{\n  "prompt": "a horse"\n}';

export class SubmitForm {
    #drafts = new Map(); // what was typed, by endpoint
    #isTouched = false; // whether the text was typed rather than filled in
    #endpoint = "";
    #isSending = false;

    constructor(dialog, state, { onSubmitted }) {
        this.dialog = dialog;
        this.state = state;
        this.onSubmitted = onSubmitted;
        this.chooser = element("select", { id: "submit-endpoint", on: { change: () => this.#choose(this.chooser.value) } });
        this.text = element("textarea", {
            id: "submit-input",
            rows: 12,
            spellcheck: "false",
            autocomplete: "off",
            autocapitalize: "off",
            "aria-describedby": "submit-problem submit-hint",
            on: { input: () => this.#onInput(), keydown: (event) => this.#onKey(event) },
        });
        this.problem = element("p", { id: "submit-problem", class: "problem", role: "status" });
        this.timeout = number("submit-timeout");
        this.ttl = number("submit-ttl");
        this.send = element("button", { type: "submit", class: "primary" }, "Submit job");
        const last = button("Insert last input", () => this.#insertLast(true));
        dialog.append(
            element(
                "form",
                { method: "dialog", on: { submit: (event) => this.#onSubmit(event) } },
                element("h2", { id: "submit-title" }, "New job"),
                element("label", { for: "submit-endpoint" }, "Endpoint"),
                this.chooser,
                element("div", { class: "label-row" }, element("label", { for: "submit-input" }, "Input (JSON object)"), last),
                this.text,
                this.problem,
                element(
                    "details",
                    {},
                    element("summary", {}, "Policy"),
                    element("div", { class: "fields" },
                        field(this.timeout, "Execution timeout, in seconds"), field(this.ttl, "Time to live, in seconds")),
                ),
                element(
                    "div",
                    { class: "dialog-buttons" },
                    element("span", { id: "submit-hint", class: "hint" }, "Ctrl+Enter submits"),
                    button("Close", () => dialog.close()),
                    this.send,
                ),
            ),
        );
        dialog.addEventListener("close", () => this.#keepDraft());
        // The browser says nothing of a wrong field that is folded, and submits nothing. These events do not bubble.
        dialog.addEventListener("invalid", (event) => event.target.closest("details")?.setAttribute("open", ""), true);
    }

    /** Open the form for an endpoint, with an input if it is given. */
    open(endpoint, input = null) {
        const ids = this.state.queueEndpoints.map((each) => each.id);
        if (ids.length === 0) return;
        this.chooser.replaceChildren(...ids.map((id) => element("option", { value: id }, id)));
        const chosen = ids.includes(endpoint) ? endpoint : ids.includes(this.#endpoint) ? this.#endpoint : ids[0];
        if (input !== null) this.#drafts.set(chosen, input);
        this.chooser.value = chosen;
        this.dialog.showModal();
        this.#endpoint = "";
        this.#choose(chosen);
        this.text.focus();
    }

    #choose(endpoint) {
        this.#keepDraft();
        this.#endpoint = endpoint;
        const draft = this.#drafts.get(endpoint);
        this.#isTouched = draft !== undefined;
        this.text.value = draft ?? EXAMPLE;
        this.#showProblem("");
        if (draft === undefined) this.#insertLast(false);
    }

    #keepDraft() {
        if (this.#isTouched && this.#endpoint !== "") this.#drafts.set(this.#endpoint, this.text.value);
    }

    async #insertLast(isAsked) {
        const endpoint = this.#endpoint;
        let part;
        try {
            part = await getLastInput(endpoint);
        } catch (error) {
            if (!(error instanceof RequestError)) throw error;
            if (isAsked) this.#showProblem(error.message);
            return;
        }
        // Somebody typed, or chose another endpoint, meanwhile.
        if (endpoint !== this.#endpoint || (!isAsked && this.#isTouched)) return;
        const text = inputText(part);
        if (text === null) {
            if (isAsked) this.#showProblem("The last input is too large to be edited here.");
        } else if (text !== "{}") {
            this.text.value = text;
            this.#isTouched = isAsked;
            this.#showProblem("");
        } else if (isAsked) {
            this.#showProblem("No job with an input was submitted to this endpoint yet.");
        }
    }

    #onInput() {
        this.#isTouched = true;
        const problem = checkInput(this.text.value);
        // What is being typed is seldom complete: a problem that is shown is updated, a new one waits for the submission.
        if (this.problem.textContent !== "") this.#showProblem(problem === null ? "" : sentence(problem));
    }

    #onKey(event) {
        if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
        event.preventDefault();
        this.send.form.requestSubmit(this.send);
    }

    #showProblem(message) {
        setText(this.problem, message);
        setAttributes(this.text, { "aria-invalid": message === "" ? null : "true" });
    }

    async #onSubmit(event) {
        event.preventDefault();
        if (this.#isSending) return;
        const input = this.text.value;
        const problem = checkInput(input);
        if (problem !== null) {
            this.#showProblem(sentence(problem));
            this.text.focus();
            this.text.setSelectionRange(problem.index, Math.min(input.length, problem.index + 1));
            return;
        }
        const endpoint = this.#endpoint;
        this.#isSending = true;
        this.send.disabled = true;
        try {
            const job = await submitJob(endpoint, input, this.#policy());
            this.#drafts.delete(endpoint);
            this.#isTouched = false;
            this.dialog.close();
            this.onSubmitted(job);
        } catch (error) {
            if (!(error instanceof RequestError)) throw error;
            this.#showProblem(error.message);
        } finally {
            this.#isSending = false;
            this.send.disabled = false;
        }
    }

    #policy() {
        const policy = {};
        if (this.timeout.value !== "") policy.executionTimeout = Math.round(Number(this.timeout.value) * 1000);
        if (this.ttl.value !== "") policy.ttl = Math.round(Number(this.ttl.value) * 1000);
        return Object.keys(policy).length === 0 ? null : policy;
    }
}

const sentence = (problem) => `Line ${problem.line}, column ${problem.column}: ${problem.message}`;

/** An input as text to edit, or null if it is not here in full. */
export function inputText(part) {
    if (typeof part.text === "string") return part.text;
    if (isShortened(part)) return null;
    try {
        return jsonText(part.json);
    } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        return null;
    }
}

function number(id) {
    return element("input", { id, type: "number", min: 1, max: 604_800, step: "any", placeholder: "default" });
}

function field(input, text) {
    return element("div", {}, element("label", { for: input.id }, text), input);
}
