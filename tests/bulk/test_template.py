"""Tests of templates."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from runpod import InvalidRequestError
from runpod._bulk.template import Template

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]), min_size=1).filter(
    lambda name: name == name.strip()
)


def refused(template: Any) -> str:
    with pytest.raises(InvalidRequestError) as info:
        Template(template)
    return info.value.message


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('{"prompt": "{{caption}}", "n": 1}', {"prompt": "a horse", "n": 1}),
        ('{"seed": "{{ seed }}", "s": "{{tags}}"}', {"seed": 7, "s": ["a", None]}),
        ('{"p": "{{caption}}, {{seed}}: {{tags}} {{none}}"}', {"p": 'a horse, 7: ["a", null] null'}),
        (
            '{"a": [{"b": "{{caption}}"}, "{", "}"], "c": {"d": {"e": 1}}}',
            {"a": [{"b": "a horse"}, "{", "}"], "c": {"d": {"e": 1}}},
        ),
        ({"p": ("{{caption}}", b"{{")}, {"p": ["a horse", b"{{"]}),
        (MappingProxyType({"p": "{{ two words }}!"}), {"p": "ä!"}),
    ],
)
def test_columns_are_inserted(template: Any, expected: Any) -> None:
    row = {"caption": "a horse", "seed": 7, "tags": ["a", None], "none": None, "two words": "ä"}
    assert expected == Template(template)(row)


def test_a_pydantic_model_is_a_row() -> None:
    class Horse(BaseModel):
        name: str

    template = Template('{"prompt": "{{name}}"}')
    assert {"prompt": "Bella"} == template(Horse(name="Bella"))
    assert (frozenset({"name"}), "Template(columns=['name'])") == (template.columns, repr(template))


@given(name=NAMES, value=JSON)
def test_a_whole_placeholder_keeps_the_value(name: str, value: Any) -> None:
    template = Template(json.dumps({"x": [f"{{{{ {name} }}}}"]}))
    assert {"x": [value]} == template({name: value})
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    assert {"x": f"<{text}>"} == Template({"x": f"<{{{{{name}}}}}>"})({name: value})


@given(st.dictionaries(NAMES, st.text() | st.integers(), min_size=1))
def test_values_are_not_templates(row: dict[str, Any]) -> None:
    template = Template({name: f"{{{{{name}}}}}" for name in row})
    assert row == template(row)
    assert row.keys() == template.columns
    injected = dict.fromkeys(row, "{{x}}")
    assert injected == template(injected)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{", "not valid JSON: Expecting property name enclosed in double quotes at column 2."),
        ('{"prompt": {{caption}}}', 'Write placeholders in quotes, such as {"prompt": "{{caption}}"}.'),
        ('{"a": 1, "a": 2}', "the key 'a' occurs twice"),
        ('{"a": NaN}', "NaN is not valid in JSON"),
        ("[1]", "must be a JSON object"),
        ('"{{a}}"', "must be a JSON object"),
        (7, "must be a JSON object"),
        ("{}", "has no placeholder"),
        ('{"a": "b", "c": [1, true, null, 1.5]}', "has no placeholder"),
        ('{"a": {"b": ["{{x"]}}', "unbalanced braces in a.b[0]: '{{x'. Write {{column}}."),
        ('{"a": "x}}"}', "unbalanced braces in a"),
        ('{"a": "{{x}} {{y"}', "unbalanced braces in a"),
        ('{"a": "{{{x}}}"}', None),
        ('{"a": "{{x}}}}"}', "unbalanced braces in a"),
        ('{"a": "{{ }}"}', "a placeholder without a column in a"),
        ('{"{{x}}": 1}', "placeholder in the key"),
    ],
)
def test_errors_of_templates(template: Any, expected: str | None) -> None:
    if expected is None:  # single braces around a placeholder are text
        assert {"a": "{1}"} == Template(template)({"x": 1})
    else:
        assert expected in refused(template)


def test_errors_of_rows() -> None:
    template = Template('{"p": "{{caption}} {{when}}"}')
    with pytest.raises(InvalidRequestError) as info:
        template({"captoin": 1, "when": 2})
    assert (
        "The template needs a column that the row lacks: there is no column 'caption' (did you mean 'captoin'?); the "
        "columns are 'captoin', 'when'."
    ) == info.value.message
    with pytest.raises(InvalidRequestError, match="the columns are none"):
        template({})
    with pytest.raises(InvalidRequestError, match="'when' cannot be inserted into text: its value of type datetime"):
        template({"caption": "", "when": datetime.now(timezone.utc)})
    with pytest.raises(InvalidRequestError, match="'when' cannot be inserted"):
        template({"caption": "", "when": float("nan")})
    with pytest.raises(InvalidRequestError, match="must be a mapping or a pydantic model, not list"):
        template([1])  # type: ignore[arg-type]
