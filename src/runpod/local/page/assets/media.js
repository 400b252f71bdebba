// Pictures, sounds, videos and other files of an output.

import { element, icon, link, ownAddress, webAddress } from "./dom.js";
import { bytes } from "./format.js";

/** Show the media of a job. Those on other hosts are links: the page loads nothing from elsewhere. */
export function mediaGallery(media) {
    return element("ul", { class: "media" }, ...media.map((item) => element("li", {}, figure(item))));
}

function figure(item) {
    const source = ownAddress(item.src);
    const name = item.name || item.where || "file";
    const size = typeof item.size === "number" ? bytes(item.size) : null;
    const caption = element(
        "figcaption",
        {},
        element("span", { class: "media-name", title: name }, element("bdi", {}, name)),
        element("span", { class: "media-facts" }, [item.mime, size].filter(Boolean).join(" · ")),
    );
    if (source === null) {
        caption.append(elsewhere(item.href));
        return element("figure", { class: "is-other" }, caption);
    }
    caption.append(
        element("a", { href: source, download: name, class: "download" }, icon("download"), "Download", hidden(` ${name}`)),
    );
    const view = viewer(item.kind, source, name);
    if (view === null) return element("figure", { class: "is-other" }, caption);
    const whole = element("figure", {}, view, caption);
    // Errors of a player do not bubble.
    whole.addEventListener(
        "error",
        () => {
            view.replaceWith(element("p", { class: "media-broken" }, `This browser cannot show the ${item.kind}.`));
        },
        true,
    );
    return whole;
}

function viewer(kind, source, name) {
    if (kind === "image") {
        const picture = element("img", { src: source, alt: name, loading: "lazy", decoding: "async" });
        return element("a", { href: source, target: "_blank", rel: "noopener noreferrer", class: "picture" }, picture);
    }
    if (kind === "video") return element("video", { src: source, controls: true, preload: "metadata", "aria-label": name });
    if (kind === "audio") return element("audio", { src: source, controls: true, preload: "metadata", "aria-label": name });
    return null;
}

function elsewhere(href) {
    const address = webAddress(href);
    if (address === null) {
        return element("span", { class: "media-facts" }, href ? `Not a web address: ${String(href).slice(0, 200)}` : "");
    }
    return link(address, icon("outside"), `Open on ${new URL(address).host}`, hidden(" in a new tab"));
}

const hidden = (text) => element("span", { class: "hidden-text" }, text);
