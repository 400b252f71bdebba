// Builds elements. What a handler returned becomes text or a checked attribute, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** The address if it is one of http or https, else null: others, such as `javascript:`, can run code. */
export function webAddress(value) {
    if (typeof value !== "string" || !/^https?:\/\//i.test(value)) return null;
    try {
        const url = new URL(value);
        return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
    } catch {
        return null;
    }
}

/** The address if it is a resource of this page on this server, else null. */
export function ownAddress(value) {
    if (typeof value !== "string" || !value.startsWith("/page/")) return null;
    const url = new URL(value, location.origin);
    return url.origin === location.origin && url.pathname.startsWith("/page/") ? url.pathname + url.search : null;
}

/**
 * Create an HTML element.
 *
 * `attributes` are set as they are; a value of null or false leaves one out. `on` has listeners, `href` and `src` must
 * come from `webAddress` or `ownAddress`.
 */
export function element(tag, attributes = {}, ...children) {
    return fill(document.createElement(tag), attributes, children);
}

export function graphic(tag, attributes = {}, ...children) {
    return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(created, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
        if (value === null || value === undefined || value === false) continue;
        if (name === "on") {
            for (const [event, listener] of Object.entries(value)) created.addEventListener(event, listener);
        } else if (name.startsWith("on") || name === "style") {
            throw new TypeError(`The attribute ${name} is not allowed: use "on", or a class.`);
        } else if ((name === "href" || name === "src") && webAddress(value) === null && ownAddress(value) === null) {
            throw new TypeError(`The address ${value} is not allowed.`);
        } else {
            created.setAttribute(name, value === true ? "" : String(value));
        }
    }
    created.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
    return created;
}

/** A link to another site, in a new tab that learns nothing of this one; plain text if it is no web address. */
export function link(address, ...children) {
    const href = webAddress(address);
    if (href === null) return element("span", {}, ...children);
    return element("a", { href, target: "_blank", rel: "noopener noreferrer", class: "outside" }, ...children);
}

export function button(label, onclick, attributes = {}) {
    return element("button", { type: "button", ...attributes, on: { click: onclick } }, label);
}

/** Set a text only if it changed, so that screen readers and selections are left alone. */
export function setText(target, text) {
    if (target.textContent !== text) target.textContent = text;
}

export function setAttributes(target, attributes) {
    for (const [name, value] of Object.entries(attributes)) {
        if (value === null || value === false) target.removeAttribute(name);
        else if (target.getAttribute(name) !== String(value)) target.setAttribute(name, value);
    }
}

const SHAPES = {
    IN_QUEUE: ["M8 4.5V8l2.4 1.6", true],
    IN_PROGRESS: ["M6.4 5.2 11 8l-4.6 2.8Z", true],
    COMPLETED: ["m4.9 8.3 2.1 2.1 4.1-4.6", true],
    FAILED: ["m5.6 5.6 4.8 4.8m0-4.8-4.8 4.8", true],
    CANCELLED: ["M4.8 8h6.4", true],
    TIMED_OUT: ["M5.5 4.5h5M5.5 11.5h5M6 4.6c0 3.4 4 3.4 4 6.8M10 4.6c0 3.4-4 3.4-4 6.8", false],
    copy: ["M6 6h6.5v6.5H6zM10 6V3.5H3.5V10H6", false],
    close: ["m4.5 4.5 7 7m0-7-7 7", false],
    back: ["M9.5 4 5.5 8l4 4", false],
    plus: ["M8 3.5v9M3.5 8h9", false],
    outside: ["M6.5 4H4v8h8V9.5M8.5 4H12v3.5M12 4 7.5 8.5", false],
    download: ["M8 3v6.5M5 7l3 3 3-3M3.5 12.5h9", false],
    queue: ["M3 4.5h10M3 8h10M3 11.5h6", false],
    balancer: ["M8 3v3M8 6 4 10M8 6l4 4M8 6v4M3 12h2M7 12h2M11 12h2", false],
};

/** A small picture of a status or an action; decoration beside a text. */
export function icon(name) {
    const [path, ring] = SHAPES[name] ?? SHAPES.CANCELLED;
    return graphic(
        "svg",
        { viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true", focusable: "false" },
        ring ? graphic("circle", { cx: 8, cy: 8, r: 6.25 }) : null,
        graphic("path", { d: path }),
    );
}
