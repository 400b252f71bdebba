"""What handlers and clients send is data, however much it looks like code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.local.api import Api
from tests.media.samples import PNG, data_url, text

if TYPE_CHECKING:
    from tests.browser.conftest import Open, Serve

ATTACK = "window.attacked=1;alert(1)"
STRINGS = [
    f"<script>{ATTACK}</script>",
    f"<img src=x onerror='{ATTACK}'>",
    f"<img src=https://attacker.example/pixel.png onload='{ATTACK}'>",
    f"</pre></textarea></title><svg onload='{ATTACK}'>",
    f"javascript:{ATTACK}",
    f" javascript:{ATTACK}",
    f"data:text/html,<script>{ATTACK}</script>",
    f"https://attacker.example/'onmouseover='{ATTACK}",
    "https://attacker.example/horse.png",
    "//attacker.example/horse.png",
    "\u202egnp.esroh\u2028\u2029\x00\x07\ud800",
    "${alert(1)}{{alert(1)}}",
]
SVG = f'<svg xmlns="http://www.w3.org/2000/svg"><script>{ATTACK}</script></svg>'.encode()
HTML = f"<!doctype html><script>{ATTACK}</script>".encode()

OUTPUT: dict[str, Any] = {
    "strings": STRINGS,
    **{string: string for string in STRINGS},
    "__proto__": {"polluted": True, "toString": "x"},
    "constructor": {"prototype": {"polluted": True}},
    "$string": "forged",
    "length": 7,
    "$number": "9",
    "forged": {"$string": "<b>", "length": 1},
    "image": data_url(SVG, "image/svg+xml"),
    "image_url": f"javascript:{ATTACK}",
    "images": [
        {"filename": STRINGS[0], "type": "base64", "data": text(PNG)},
        data_url(HTML, "image/png"),
        data_url(PNG, "text/html"),
        "https://attacker.example/tracking.png",
    ],
}


@pytest.fixture(params=["returned", "raised", "streamed", "submitted"])
def handler(request: pytest.FixtureRequest) -> Any:
    def returned(job: dict[str, Any]) -> Any:
        return OUTPUT

    def raised(job: dict[str, Any]) -> Any:
        raise ValueError("\n".join(STRINGS))

    def streamed(job: dict[str, Any]) -> Any:
        yield from STRINGS
        yield OUTPUT

    def submitted(job: dict[str, Any]) -> Any:
        return None

    return locals()[request.param]


def test_an_output_is_text(handler: Any, serve: Serve, open_page: Open) -> None:
    name = handler.__name__
    hostile = f"<img src=x onerror={ATTACK}>"
    server = serve({hostile.replace("/", ""): handler} if name == "submitted" else {"horse": handler})
    visit = open_page(server)
    with Api(server, next(iter(server.jobs)).replace("?", "%3F")) as api:
        sent = OUTPUT if name == "submitted" else {"prompt": STRINGS[1]}
        # With escapes: half of a surrogate pair has no encoding.
        response = api.http.post(
            "/run", content=json.dumps({"input": sent}), headers={"content-type": "application/json"}
        )
        api.end(api.ok(response)["id"])
    visit.open_job("Failed" if name == "raised" else "Completed")
    # Everything is unfolded.
    for section in visit.detail.locator("[data-section]").all():
        for _ in range(20):
            folded = section.locator("details:not([open]) > summary")
            if folded.count() == 0:
                break
            folded.first.click()
    expect(visit.detail).to_contain_text(STRINGS[1])
    if name in {"returned", "streamed"}:
        expect(visit.detail).to_contain_text("polluted: true")
        expect(visit.detail).to_contain_text("$string: “forged”")
        expect(visit.detail).to_contain_text("$number: “9”")
    for image in visit.page.locator("img").all():
        expect(image).to_have_js_property("complete", value=True)
    visit.evaluate("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
    found = visit.evaluate(
        """() => ({
            attacked: window.attacked ?? null,
            polluted: {}.polluted ?? null,
            scripts: document.scripts.length,
            addresses: [...document.querySelectorAll("a[href]")]
                .map((each) => each.href).filter((href) => !/^https?:/.test(href)),
            handlers: [...document.querySelectorAll("*")].filter(
                (each) => [...each.attributes].some((attribute) => attribute.name.startsWith("on"))).length,
            unsafe: [...document.querySelectorAll("a[target=_blank]")].filter((each) => each.rel !== "noopener noreferrer").length,
        })"""
    )
    assert {"attacked": None, "polluted": None, "scripts": 1, "addresses": [], "handlers": 0, "unsafe": 0} == found


def test_the_policy_stops_a_script_that_gets_in(serve: Serve, open_page: Open) -> None:
    visit = open_page(serve({"horse": lambda job: None}))
    visit.allowed += ["CSP", "Content Security Policy", "404 (Not Found)"]
    with visit.page.expect_console_message(lambda message: message.text.startswith("CSP: script-src")):
        visit.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.attacked = 1\">')")
    assert visit.evaluate("window.attacked === undefined")


def test_nesting_of_thousands_of_levels_is_shown(serve: Serve, open_page: Open) -> None:
    deep: Any = "the end"
    for _ in range(400):
        deep = {"a": [deep]}
    server = serve({"horse": lambda job: deep})
    with Api(server) as api:
        api.run_sync(n=1)
    visit = open_page(server)
    visit.open_job("Completed")
    expect(visit.section("output").locator("details")).not_to_have_count(0)


TEXT_OF = """async (text) => {
    const { jsonText } = await import("/page/assets/json_tree.js");
    return jsonText(JSON.parse(text));
}"""


def test_indentation_of_a_deep_value_does_not_grow_it(serve: Serve, open_page: Open) -> None:
    text = "[" * 900 + ",".join("0" * 30_000) + "]" * 900
    found = open_page(serve({"horse": lambda job: None})).evaluate(TEXT_OF, text)
    assert 3 * len(text) > len(found)
    assert json.loads(text) == json.loads(found)
