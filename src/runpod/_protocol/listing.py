"""Lists of the management API, which may come in pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from pydantic import BaseModel, ValidationError

from runpod._protocol.decoding import parse, response_error
from runpod.models._base import ReceivedModel, ReceivedText, describe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runpod._protocol.management import ManagementCall
    from runpod._protocol.outcomes import Response

ModelT = TypeVar("ModelT", bound=BaseModel)


class Pagination(ReceivedModel):
    """Where a list goes on."""

    next_cursor: ReceivedText = None
    has_next_page: Any = None


class Page(ReceivedModel):
    """A page of a list, whose items have a name of their own."""

    pagination: Pagination | None = None


class Listing(Generic[ModelT]):
    """A list, of which pages are added until there are no more.

    The description of the API has no pages, but newer versions of the service have: the first request sends no cursor,
    and those of responses are followed.

    Args:
        model: The model of the items.
        plural: The field of responses that has the items, such as "endpoints".

    Attributes:
        items: The items so far.
        cursor: What the request for the next page sends; None if there is none.
    """

    def __init__(self, model: type[ModelT], plural: str) -> None:
        self.items: list[ModelT] = []
        self.cursor: str | None = None
        self._model = model
        self._plural = plural
        self._cursors = set[str]()

    def query(self, query: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """The query of the next request."""
        return [*query, *([] if self.cursor is None else [("cursor", self.cursor)])]

    def add(self, response: Response, call: ManagementCall) -> bool:
        """Adds a page. Returns whether there is another one.

        Raises:
            APIResponseError: The body is not a page, or the list has no end.
        """
        page = parse(Page, response, call)
        items: Any = (page.model_extra or {}).get(self._plural, ...)
        if items is None:  # a list without items, as some servers write it
            items = []
        if not isinstance(items, list):
            raise response_error(response, call, f"it has no list {self._plural!r}")
        try:
            self.items += [self._model.model_validate(item) for item in cast("list[object]", items)]
        except ValidationError as error:
            problem = f"Invalid {self._model.__name__} in {self._plural!r}: {describe(error, self._model)}"
            raise response_error(response, call, problem) from None
        pagination = page.pagination or Pagination()
        if pagination.has_next_page is False:
            self.cursor = None
            return False
        self.cursor = pagination.next_cursor or None
        if self.cursor is None:
            if pagination.has_next_page:
                raise response_error(response, call, "it says that the list goes on, but not where (nextCursor)")
            return False
        if self.cursor in self._cursors:
            raise response_error(response, call, "its nextCursor is that of an earlier page, so the list has no end")
        self._cursors.add(self.cursor)
        return True
