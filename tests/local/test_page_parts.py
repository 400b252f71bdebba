"""JSON values as the local server's page gets them."""

from __future__ import annotations

import json
import math
import re
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpod.local.json_text import JSONText, encode
from runpod.local.page.parts import PART_LIMIT, indented, part, rewrite


def restored(value: Any) -> Any:
    """Undo what the server did to the value, as the page does."""
    if isinstance(value, list):
        return [restored(each) for each in value]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    if ["$number"] == list(fields):
        return int(fields["$number"])
    assert not {"$string", "$number"} & fields.keys(), "no handler can write these"
    names = {key: key[1:] if re.fullmatch(r"\$+(string|number)", key) else key for key in fields}
    return {names[key]: restored(each) for key, each in fields.items()}


KEYS = st.one_of(st.text(), st.sampled_from(["$string", "$number", "$$string", "__proto__", "$", "length", ":", '"']))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda children: st.one_of(st.lists(children), st.dictionaries(KEYS, children)),
)


@settings(max_examples=50)
@given(VALUES)
def test_any_value_can_be_restored(value: Any) -> None:
    for text in (encode(value), json.dumps(value, ensure_ascii=False), json.dumps(value)):
        found = rewrite(text, 10**6)
        assert found is not None
        assert value == restored(json.loads(found))
        plain = rewrite(text, 10**6, "plain")
        assert text == plain


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"seed": 18446744073709551615}, '{"seed":{"$number":"18446744073709551615"}}'),
        ([-9007199254740993, 1], '[{"$number":"-9007199254740993"},1]'),
        (9007199254740993, '{"$number":"9007199254740993"}'),
        (123456789012345, "123456789012345"),
        (0.12345678901234568, "0.12345678901234568"),
        (1.2345678901234567e300, "1.2345678901234567e+300"),
        ("18446744073709551615, Infinity", '"18446744073709551615, Infinity"'),
        ({"$string": 1, "$$number": 2}, '{"$$string":1,"$$$number":2}'),
        ({"a": "$string"}, '{"a":"$string"}'),
        ({"$strings": 1}, '{"$strings":1}'),
    ],
)
def test_exact_values(value: Any, expected: str) -> None:
    assert expected == rewrite(encode(value), PART_LIMIT)


def test_infinity_is_valid_json() -> None:
    text = json.dumps({"a": math.inf, "b": [-math.inf], "Infinity": "Infinity"})
    expected = '{"a": 1e999, "b": [-1e999], "Infinity": "Infinity"}'
    assert expected == rewrite(text, PART_LIMIT)
    assert expected == rewrite(text, PART_LIMIT, "plain")


@pytest.mark.parametrize("letter", ["x", "é", '"', "\\", "\0", "\ud800", "\u2028", "</script>"])
def test_long_strings_are_shortened(letter: str) -> None:
    content = letter * 3000
    for text in (encode([content]), json.dumps([content])):
        found = rewrite(text, PART_LIMIT)
        assert found is not None
        assert [{"$string": content[:120], "length": len(content)}] == json.loads(found)
        whole = rewrite(text, PART_LIMIT, "whole")
        assert whole is not None
        assert [content] == json.loads(whole)


def test_a_string_at_the_limit_is_whole() -> None:
    # Each is more than 2,000 characters of JSON.
    for content in ("x" * 2000, '"' * 2000, "\0" * 2000):
        assert encode(content) == rewrite(encode(content), PART_LIMIT)


def test_megabytes_of_base64_are_small() -> None:
    shown = json.loads(part(encode({"images": ["A" * 10_000_000] * 2}), "/x"))
    assert [10_000_000] * 2 == [image["length"] for image in shown["json"]["images"]]


def test_a_large_value_is_a_link() -> None:
    text = encode(["é" * 100] * 3000)
    expected = {"size": len(text.encode()), "href": "/x", "head": text[:2000]}
    assert expected == json.loads(part(text, "/x"))
    assert ["size", "href", "head"] == [
        name for name in expected if name in json.loads(part(encode([0.5] * 100_000), "/x"))
    ]


def test_depth_does_not_matter() -> None:
    text = JSONText('{"a":[' * 40_000 + "1" + "]}" * 40_000)
    assert text in part(text, "/x", 10**6)
    assert "href" in json.loads(part(JSONText("[" * 200_000 + "]" * 200_000), "/x"))


VALUE = {"a": 1, "b": [1, 2.5, {"c": None}], "d": [], "e": {}, 'x"y,:[': 'z\\"{', "f": [[[]]]}


@pytest.mark.parametrize("value", [VALUE, [], {}, [VALUE, "é"], "horse", 7])
def test_a_value_is_indented_as_python_does_it(value: Any) -> None:
    assert json.dumps(value, indent=2, ensure_ascii=False) == indented(encode(value))


def test_indentation_of_a_deep_value_does_not_grow_it() -> None:
    text = "[" * 900 + ",".join("0" * 30_000) + "]" * 900
    found = indented(text)
    assert 3 * len(text) > len(found)
    assert json.loads(text) == json.loads(found)
