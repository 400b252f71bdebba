"""The Python examples of a page, and their async forms."""

from __future__ import annotations

import re

from docsite.async_form import ConversionError, initial_names, is_async, to_async

__all__ = ["FENCE", "async_forms"]

# The comment before a block says how it is run; tests/unit/test_docs.py lists the labels.
FENCE = re.compile(r"^(?:<!-- example: (?P<how>[\w-]+) -->\n)?```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)

# Other examples are shown as they are: tests, workers, and what is labelled `sync`.
CONVERTED = {None, "job"}


def async_forms(page: str) -> dict[int, str]:
    """Returns the async form of each example that has one, by the position of its block in the page.

    Examples that are the same in async code have none, nor do those whose async form is on the page already.

    Raises:
        ConversionError: An example cannot be converted: label it `<!-- example: sync -->`, or change it.
    """
    names = initial_names()
    blocks = list(FENCE.finditer(page))
    written = {block["code"] for block in blocks}
    forms: dict[int, str] = {}
    for block in blocks:
        if block["how"] not in CONVERTED or is_async(block["code"]):
            continue
        try:
            form = to_async(block["code"], names)
        except ConversionError as error:
            first = page[: block.start("code")].count("\n")
            message = f"The example at line {first + 1} has no async form ({error}): change it, or label it `sync`."
            raise ConversionError(message) from error
        if form is not None and form not in written:
            forms[block.start()] = form
    return forms
