# Generated from src/runpod/_async/manage/requests.py by scripts/generate_sync.py. Do not edit.

"""Requests of the management API: what its collections have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from runpod._protocol.decoding import check_json, parse, parse_json
from runpod._protocol.listing import Listing
from runpod._protocol.management import ManagementCall, new_call

if TYPE_CHECKING:
    from runpod._sync.session import Session
    from runpod._protocol.deadlines import TimeoutOrDefault
    from runpod._protocol.management import Query

ModelT = TypeVar("ModelT", bound=BaseModel)


class ManagementAPI:
    """Sends requests of the management API, and parses the responses.

    In the methods, `name` is what a call is called in messages ("manage.pods.get"), `steps` are the steps of the path
    below `/v2`, in which IDs are encoded, and `fields` is the body, JSON.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    def fetch(
        self,
        model: type[ModelT],
        name: str,
        method: str,
        *steps: str,
        query: Query = (),
        fields: object = None,
        timeout: TimeoutOrDefault,
    ) -> ModelT:
        """Makes a call whose response is one object.

        Raises:
            InvalidRequestError: An argument is invalid.
            RunpodError: No attempt succeeded, or the response is not such an object.
        """
        call = new_call(name, method, steps, query=query, fields=fields)
        return parse(model, self.session.send(call, self.session.deadline(timeout)), call)

    def fetch_list(
        self, model: type[ModelT], plural: str, name: str, *steps: str, query: Query = (), timeout: TimeoutOrDefault
    ) -> list[ModelT]:
        """Requests a whole list, however many pages it has.

        Args:
            model: The model of the items.
            plural: The field of the response that has the items, such as "pods".
            name: See the class.
            steps: See the class.
            query: Names and values of the query.
            timeout: The timeout of all requests together.

        Raises:
            InvalidRequestError: An argument is invalid.
            RunpodError: No attempt succeeded, or a response is not a page of the list.
        """
        deadline = self.session.deadline(timeout)
        listing = Listing(model, plural)
        more = True
        while more:
            call = new_call(name, "GET", steps, query=listing.query(query))
            more = listing.add(self.session.send(call, deadline), call)
        return listing.items

    def fetch_pages(
        self,
        model: type[ModelT],
        item: type[BaseModel],
        name: str,
        *steps: str,
        timeout: TimeoutOrDefault,
    ) -> ModelT:
        """Requests an object that has a list, whose field is the last of `steps`, however many pages it has.

        Args:
            model: The model of the object. Its other fields are those of the first page.
            item: The model of the items.
            name: See the class.
            steps: See the class.
            timeout: The timeout of all requests together.

        Raises:
            InvalidRequestError: An argument is invalid.
            RunpodError: No attempt succeeded, or a response is not a page of the list.
        """
        deadline = self.session.deadline(timeout)
        listing = Listing(item, steps[-1])
        found: ModelT | None = None
        more = True
        while more:
            call = new_call(name, "GET", steps, query=listing.query(()))
            response = self.session.send(call, deadline)
            more = listing.add(response, call)
            found = parse(model, response, call) if found is None else found
        assert found is not None
        return found.model_copy(update={steps[-1]: listing.items})

    def delete(self, name: str, *steps: str, timeout: TimeoutOrDefault) -> None:
        """Deletes something. If it is missing after an attempt that may have been executed, that is success.

        Raises:
            InvalidRequestError: An argument is invalid.
            RunpodError: No attempt succeeded, or the response is not from the API.
        """
        self.execute(new_call(name, "DELETE", steps), timeout)

    def execute(self, call: ManagementCall, timeout: TimeoutOrDefault) -> None:
        """Makes a call without a result.

        Raises:
            InvalidRequestError: An argument is invalid.
            RunpodError: No attempt succeeded, or the response is not from the API, such as the page of a proxy.
        """
        response = self.session.send(call, self.session.deadline(timeout))
        # A 404 is one of something that is deleted already.
        if response.is_success and response.body.strip():
            check_json(response, call)

    def fetch_json(self, call: ManagementCall, timeout: TimeoutOrDefault) -> Any:
        """Makes any call. Returns the JSON of the response, None without one.

        Raises:
            InvalidRequestError: An argument is invalid.
            RunpodError: No attempt succeeded, or the response is not JSON.
        """
        response = self.session.send(call, self.session.deadline(timeout))
        is_empty = not response.problem and not response.body.strip()
        return None if is_empty or not response.is_success else parse_json(response, call)


class Collection:
    """What the collections of the management API have in common."""

    def __init__(self, api: ManagementAPI) -> None:
        self._api = api

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
