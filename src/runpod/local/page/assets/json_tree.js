// JSON that folds. What is folded is not in the document; long lists come in pages, long strings in parts.

import { ExactNumber } from "./api.js";
import { button, element, link, webAddress } from "./dom.js";
import { integer, plural } from "./format.js";

const PAGE = 100; // children that are shown at once
const LONG_STRING = 400; // characters
const SHORTENED = 60; // characters of a string that the server cut: mostly base64
const OPEN_LINES = 40; // a value in another one starts folded if it has more lines
const OPEN_DEPTH = 4;
const INDENTED = 20; // levels: below them, indentation would take many times the size of the value

const isContainer = (value) => typeof value === "object" && value !== null && !(value instanceof ExactNumber);

// The server puts objects in the place of long strings and large integers. It escapes keys that look like theirs with
// another `$`, so that an output cannot forge them.
const unescapeKey = (key) => (/^\$\$+(string|number)$/.test(key) ? key.slice(1) : key);

/** A string that the server shortened, as `{$string, length}`, or null. */
function placeholder(value) {
    return isContainer(value) && Object.hasOwn(value, "$string") ? value : null;
}

/** The number in the place of which the server sent an object, or the value as it is. */
function restored(value) {
    return isContainer(value) && Object.hasOwn(value, "$number") ? new ExactNumber(String(value.$number)) : value;
}

/** Whether some string in the value was shortened, or the value was too large to be sent. */
export function isShortened(part) {
    if (!Object.hasOwn(part, "json")) return true;
    const pending = [part.json];
    while (pending.length > 0) {
        const value = pending.pop();
        if (!isContainer(value)) continue;
        if (placeholder(value) !== null) return true;
        for (const child of Object.values(value)) pending.push(child);
    }
    return false;
}

/** The value as JSON text, with numbers as they were written. Throws RangeError if it is nested too deeply. */
export function jsonText(given, depth = 0) {
    const value = restored(given);
    if (value instanceof ExactNumber) return value.source;
    if (!isContainer(value)) return JSON.stringify(value);
    const isList = Array.isArray(value);
    const items = isList
        ? value.map((each) => jsonText(each, depth + 1))
        : Object.keys(value).map((key) => `${JSON.stringify(unescapeKey(key))}: ${jsonText(value[key], depth + 1)}`);
    const [open, close] = isList ? "[]" : "{}";
    if (items.length === 0) return open + close;
    if (depth >= INDENTED) return open + items.join(", ") + close;
    const end = `\n${"  ".repeat(depth)}`;
    return `${open}${end}  ${items.join(`,${end}  `)}${end}${close}`;
}

// How many lines the value would take, counted up to `limit`.
function countLines(value, limit) {
    const pending = [value];
    let lines = 0;
    while (pending.length > 0 && lines <= limit) {
        const each = restored(pending.pop());
        lines += 1;
        if (!isContainer(each) || placeholder(each) !== null) continue;
        const children = Object.values(each);
        lines += children.length > limit ? limit : 0;
        if (children.length <= limit) pending.push(...children);
    }
    return lines;
}

/**
 * Show a value.
 *
 * `opened` is a map from paths to whether they are open. It is kept by the caller, so that a value that is shown again
 * after a change is as open as before.
 */
export function jsonTree(value, opened, name) {
    return element("div", { class: "json", role: "group", "aria-label": name }, node(null, value, "", 0, opened));
}

function node(key, given, path, depth, opened) {
    const value = restored(given);
    const shortened = placeholder(value);
    if (!isContainer(value) || shortened !== null) {
        return element("div", { class: "json-line" }, keyLabel(key), shortened ? cut(shortened) : scalar(value));
    }
    const isList = Array.isArray(value);
    const keys = isList ? null : Object.keys(value);
    const size = isList ? value.length : keys.length;
    if (size === 0) return element("div", { class: "json-line" }, keyLabel(key), mark(isList ? "[ ]" : "{ }"));
    const isSmall = depth < OPEN_DEPTH && countLines(value, OPEN_LINES) <= OPEN_LINES;
    const isOpen = opened.get(path) ?? (depth === 0 || isSmall);
    const children = element("div", { class: "json-children" });
    const details = element("details", { open: isOpen });
    let isFilled = false;
    const showMore = (from) => {
        const to = Math.min(size, from + PAGE);
        for (let index = from; index < to; index += 1) {
            const name = isList ? index : keys[index];
            const shown = isList ? index : unescapeKey(name);
            children.append(node(shown, value[name], `${path}/${index}:${name}`, depth + 1, opened));
        }
        if (to === size) return;
        const more = button(
            `Show ${integer(Math.min(PAGE, size - to))} more (${integer(to)} of ${integer(size)} are shown)`,
            () => {
                const last = children.children[children.children.length - 2];
                more.remove();
                showMore(to);
                // The button is gone: the focus goes to what it added.
                last.nextElementSibling.setAttribute("tabindex", "-1");
                last.nextElementSibling.focus();
            },
            { class: "more" },
        );
        children.append(more);
    };
    const fillOnce = () => {
        if (isFilled) return;
        isFilled = true;
        showMore(0);
    };
    if (isOpen) fillOnce();
    details.addEventListener("toggle", () => {
        opened.set(path, details.open);
        if (details.open) fillOnce();
    });
    const count = isList ? plural(size, "item") : plural(size, "key");
    details.append(
        element("summary", {}, keyLabel(key), mark(isList ? "[ … ]" : "{ … }"), element("span", { class: "json-count" }, count)),
        children,
    );
    return details;
}

function keyLabel(key) {
    if (key === null) return null;
    const isIndex = typeof key === "number";
    return element(
        "span",
        { class: isIndex ? "json-index" : "json-key" },
        element("bdi", {}, isIndex ? String(key) : key === "" ? '""' : key),
        ": ",
    );
}

const mark = (text) => element("span", { class: "json-mark" }, text);

function scalar(value) {
    if (value === null) return element("span", { class: "json-null" }, "null");
    if (value instanceof ExactNumber) return element("span", { class: "json-number" }, value.source);
    if (typeof value === "number") return element("span", { class: "json-number" }, String(value));
    if (typeof value === "boolean") return element("span", { class: "json-boolean" }, String(value));
    if (webAddress(value) !== null && value.length <= LONG_STRING) {
        return element("span", { class: "json-string" }, "“", link(value, element("bdi", {}, value)), "”");
    }
    return longText(value);
}

function longText(value) {
    const text = element("bdi", {}, value.length > LONG_STRING ? `${value.slice(0, LONG_STRING)}…` : value);
    const shown = element("span", { class: "json-string" }, "“", text, "”");
    if (value.length <= LONG_STRING) return shown;
    const more = button(
        `Show all ${integer(value.length)} characters`,
        () => {
            text.textContent = value;
            more.remove();
            shown.setAttribute("tabindex", "-1");
            shown.focus();
        },
        { class: "more" },
    );
    return element("span", {}, shown, " ", more);
}

function cut(shortened) {
    return element(
        "span",
        {},
        element("span", { class: "json-string" }, "“", element("bdi", {}, `${shortened.$string.slice(0, SHORTENED)}…`), "”"),
        element("span", { class: "json-count" }, ` ${lengthOf(shortened.length)} characters`),
    );
}

const lengthOf = (length) => (length instanceof ExactNumber ? length.source : integer(Number(length)));
