// The sections of a job's detail.

import { button, element, icon, ownAddress } from "./dom.js";
import { bytes, integer, plural } from "./format.js";
import { isShortened, jsonText, jsonTree } from "./json_tree.js";
import { mediaGallery } from "./media.js";

/** What to show of a job, in order: `name`, the `data` that it depends on, and `draw`, which creates the element. */
export function sections(detail, opened, onCopied) {
    const found = [];
    const add = (name, data, draw) => found.push({ name, data, draw });
    const openedOf = (name) => {
        if (!opened.has(name)) opened.set(name, new Map());
        return opened.get(name);
    };
    const { error, media, chunks } = detail;
    if (detail.status === "IN_PROGRESS" && detail.progress !== null) {
        const { update, progress } = detail;
        const isText = !update || typeof update.json === "string";
        add("progress", update ?? progress, () => section("Progress", null, isText
            ? element("p", { class: "progress" }, update?.json ?? progress)
            : showPart(update, openedOf("progress"), "Progress")));
    }
    if (error) add("error", error, () => errorSection(error, onCopied));
    if (media.length > 0) add("media", media, () => section("Media", null, mediaGallery(media)));
    if (detail.output !== null) {
        add("output", detail.output, () => partSection("Output", detail.output, openedOf("output"), onCopied));
    }
    if (chunks.total > 0) add("stream", chunks, () => chunkSection(chunks, openedOf("stream")));
    add("input", detail.input, () => partSection("Input", detail.input, openedOf("input"), onCopied));
    return found;
}

function section(title, action, ...children) {
    const head = element("div", { class: "section-head" }, element("h3", {}, title), action);
    return element("section", {}, head, ...children);
}

function partSection(title, part, opened, onCopied) {
    let text = null;
    if (!isShortened(part)) {
        try {
            text = jsonText(part.json);
        } catch (error) {
            if (!(error instanceof RangeError)) throw error; // Nested too deeply: it can be read, not copied.
        }
    }
    return section(title, text === null ? null : copyButton(text, title.toLowerCase(), onCopied), showPart(part, opened, title));
}

function copyButton(text, what, onCopied) {
    return button(icon("copy"), () => onCopied(text, what), { class: "quiet", "aria-label": `Copy the ${what}` });
}

function showPart(part, opened, title) {
    if (Object.hasOwn(part, "json")) return jsonTree(part.json, opened, title);
    const source = ownAddress(part.href);
    return element(
        "div",
        {},
        element("pre", { class: "text", tabindex: "0", role: "group", "aria-label": `Beginning of the ${title.toLowerCase()}` }, part.head),
        element("p", { class: "note" }, `These are the first ${plural(part.head.length, "character")} of ${bytes(part.size)}. `,
            source === null ? null : element("a", { href: source, download: true }, "Download all of it")),
    );
}

function errorSection(error, onCopied) {
    const title = typeof error.type === "string" && error.type !== "" ? error.type : "Error";
    const traceback = typeof error.traceback === "string" && error.traceback !== "" ? error.traceback : null;
    return section(
        title,
        traceback === null ? null : copyButton(traceback, "traceback", onCopied),
        element("p", { class: "error-message" }, String(error.message ?? "")),
        traceback === null ? null : element("pre", { class: "text", tabindex: "0", role: "group", "aria-label": "Traceback" }, traceback),
    );
}

function chunkSection(chunks, opened) {
    const { items, total } = chunks;
    const first = total - items.length;
    const isText = items.length > 0 && items.every((part) => typeof part.json === "string");
    const content = isText
        ? element("pre", { class: "text stream", tabindex: "0", role: "group", "aria-label": "Text of the stream" },
            ...items.map((part) => element("span", { class: "chunk" }, part.json)))
        : element("ol", { class: "chunks", start: first + 1 },
            ...items.map((part, index) => {
                const name = `Chunk ${first + index + 1}`;
                if (!opened.has(name)) opened.set(name, new Map());
                return element("li", {}, showPart(part, opened.get(name), name));
            }));
    const note = first > 0 ? element("p", { class: "note" }, `The newest ${integer(items.length)} of ${integer(total)} are shown.`) : null;
    return section(`Stream · ${plural(total, "chunk")}`, null, note, content);
}

