"""Models of the management API: lenient, complete, and without secrets in `repr`."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from runpod.models.management import EndpointReleases, EndpointWorkers, Pod, Registry, ServerlessEndpoint, Template


@pytest.mark.fact("protocol-2 8.2: missing fields")
def test_everything_but_the_id_can_be_missing_or_null() -> None:
    for model in (ServerlessEndpoint, Template, Registry):
        assert "abc" == model(id="abc").id
        nulls: dict[str, Any] = {field.alias or name: None for name, field in model.model_fields.items()}
        found = model.model_validate({**nulls, "id": "abc"})
        assert {"id": "abc"} == found.model_dump(exclude_none=True, exclude_defaults=True)


def test_values_that_are_not_as_described() -> None:
    endpoint = ServerlessEndpoint.model_validate(
        {
            "id": "abc",
            "type": "A_NEW_TYPE",
            "timeout": "600000",
            "createdAt": "yesterday",
            "disk": "20",
            "env": {"N": 5, "EMPTY": None},
            "workers": {"min": "1", "idleTimeout": "soon"},
            "newField": {"a": 1},
        }
    )
    assert "A_NEW_TYPE" == endpoint.type
    assert (timedelta(minutes=10), None, 20) == (endpoint.execution_timeout, endpoint.created_at, endpoint.disk)
    assert {"N": "5", "EMPTY": ""} == endpoint.env
    assert (1, None) == (endpoint.workers.min, endpoint.workers.idle_timeout)
    assert {"newField": {"a": 1}} == endpoint.model_extra
    assert ServerlessEndpoint.model_validate({"id": "abc", "env": "none"}).env is None
    # One odd field does not make a whole list unreadable.
    pod = Pod.model_validate({"id": "abc", "cost": 0.5, "ports": [8080], "gpu": [], "runtime": "none", "actions": {}})
    assert (0.5, [], None, None, []) == (pod.cost, pod.ports, pod.gpu, pod.runtime, pod.actions)
    for missing in ({}, {"id": 5}):
        with pytest.raises(ValidationError, match="id"):
            Pod.model_validate(missing)


@pytest.mark.parametrize("text", ["2026-06-01T12:05:00Z", "2026-06-01T14:05:00.000000001+02:00", "2026-06-01 12:05:00"])
def test_times(text: str) -> None:
    endpoint = ServerlessEndpoint.model_validate({"id": "abc", "createdAt": text})
    assert datetime(2026, 6, 1, 12, 5, tzinfo=timezone.utc) == endpoint.created_at


@pytest.mark.fact("protocol-2 8.2: workers")
def test_workers_are_a_list() -> None:
    workers = EndpointWorkers.model_validate(
        {"workers": [{"id": "a", "uptimeSeconds": 90}, {"id": "b"}], "summary": {"idle": 2}}
    )
    assert (2, ["a", "b"], "b") == (len(workers), [worker.id for worker in workers], workers[-1].id)
    assert ["a"] == [worker.id for worker in workers[:1]]
    assert (2, timedelta(seconds=90)) == (workers.summary.idle, workers[0].uptime)
    assert not EndpointWorkers.model_validate({"workers": []})
    assert 2 == workers.model_dump(mode="json", by_alias=True)["summary"]["idle"]


def test_repr_is_short_and_without_secrets() -> None:
    endpoint = ServerlessEndpoint.model_validate(
        {
            "id": "abc",
            "name": "horses",
            "args": "PLANTED",
            "env": {"TOKEN": "PLANTED"},
            "newField": "PLANTED",
            "workers": {"max": 3, "newField": "PLANTED"},
        }
    )
    expected = (
        "ServerlessEndpoint(id='abc', name='horses', env={'TOKEN': '***'}, workers=EndpointWorkerLimits(max=3), "
        "scaling=EndpointScaling())"
    )
    assert expected == repr(endpoint)
    release = {"id": "a", "diff": [{"field": "env", "old": {"TOKEN": "PLANTED"}, "new": "PLANTED"}]}
    releases = EndpointReleases.model_validate({"releases": [release]})
    assert "field='env'" in repr(releases)
    assert "PLANTED" not in f"{endpoint} {releases} {releases!r} {Template(id='t', env={'A': 'PLANTED'})!r}"
    assert "PLANTED" == releases.releases[0].diff[0].new
