"""Settings of `create` and `update`: both forms have the same body, and what is surely wrong is refused."""

from __future__ import annotations

from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest

from runpod import InvalidRequestError
from runpod._protocol.endpoint_fields import changed_endpoint, created_endpoint
from runpod._protocol.template_fields import changed_template, created_registry, created_template
from runpod.models.management import CPUSettings, GPUSettings, ScalingSettings, WorkerSettings

SECOND = timedelta(seconds=1)
ENDPOINT: dict[str, Any] = {
    "name": "horses",
    "type": "QUEUE",
    "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
    "image": "horses:1",
    "gpu": {"pools": ["ADA_24"]},
}


def test_both_forms_have_the_same_body() -> None:
    keywords = {
        "name": "horses",
        "type": "QUEUE",
        "scaling": ScalingSettings(queue_delay=4 * SECOND),
        "template_id": "tpl",
        "gpu": GPUSettings(pools=("ADA_24",), excluded_types=["NVIDIA L4"], min_cuda_version="12.4"),
        "workers": WorkerSettings(min=0, max=3, idle_timeout=90 * SECOND),
        "execution_timeout": 600 * SECOND,
        "data_center_ids": ("US-KS-2",),
        "network_volumes": [],
        "env": MappingProxyType({"A": "1"}),
        "registry": None,
    }
    wire: dict[str, Any] = {
        "name": "horses",
        "type": "QUEUE",
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
        "templateId": "tpl",
        "gpu": {"pools": ["ADA_24"], "excludedTypes": ["NVIDIA L4"], "minCudaVersion": "12.4"},
        "workers": {"min": 0, "max": 3, "idleTimeout": 90},
        "timeout": 600_000,
        "dataCenterIds": ["US-KS-2"],
        "networkVolumes": [],
        "env": {"A": "1"},
    }
    assert wire == created_endpoint(None, keywords)
    assert wire == created_endpoint(MappingProxyType(wire), {})
    models = {name: keywords[name] for name in ("scaling", "gpu", "workers")}
    assert wire == created_endpoint({**wire, **models, "timeout": 600 * SECOND}, {})
    # What is newer than this version is the service's to judge.
    assert {**wire, "newField": [1]} == created_endpoint({**wire, "newField": [1]}, {})


def test_a_count_of_requests_and_cpus() -> None:
    scaling, cpu = ScalingSettings(request_count=2), [CPUSettings(id="cpu5c", vcpu_count=4)]
    fields = changed_endpoint(None, {"scaling": scaling, "cpu": cpu})
    expected = {"type": "REQUEST_COUNT", "requestCount": 2}
    assert {"scaling": expected, "cpu": [{"id": "cpu5c", "vcpuCount": 4}]} == fields
    assert 0.5 == changed_endpoint(None, {"scaling": ScalingSettings(queue_delay=SECOND / 2)})["scaling"]["queueDelay"]


def test_null_clears_and_none_is_left_out() -> None:
    assert {"registry": None} == changed_endpoint({"registry": None}, {"name": None})
    assert {"env": {}} == changed_template(None, {"env": {}, "image": None})


@pytest.mark.fact("protocol-2 3.1: request count", "protocol-2 8.4: names of v1", "protocol-2 8.4: pools")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        *[({name: None}, f"{name} is missing.*create") for name in ("name", "type", "scaling")],
        ({"gpu": None}, "gpu or cpu is missing"),
        ({"image": None}, "image is missing"),
        ({"type": "LOAD_BALANCER"}, "A load balancer has no queue.*REQUEST_COUNT"),
        ({"cpu": [{"id": "cpu5c", "vcpuCount": 2}]}, "gpu and cpu exclude each other"),
        ({"gpu": {"pools": ["ADA_24", "NVIDIA GeForce RTX 4090"]}}, r"gpu\.pools must have IDs.*'NVIDIA GeForce RTX 4090'.*catalog"),
        ({"workers": {"min": 4, "max": 3}}, r"workers\.min is 4, which is greater than workers\.max, 3"),
        ({"workersMin": 1, "workersMax": 2}, r"workersMin is now workers\.min; workersMax is now workers\.max"),
        ({"executionTimeoutMs": 1}, "executionTimeoutMs is now timeout"),
        ({"scalerType": "QUEUE_DELAY"}, r"scalerType is now scaling\.type"),
        ({"gpuTypeIds": ["NVIDIA A40"]}, r"gpuTypeIds is now gpu\.pools"),
        ({"gpu_type_ids": ["NVIDIA A40"]}, r"gpuTypeIds is now gpu\.pools"),
        ({"template_id": "tpl"}, "no field 'template_id' in the wire format: it is 'templateId'"),
        ({"env": {"A": 5}}, r"env\['A'\] must be a str, not int"),
        ({"env": ["A=5"]}, "env must be a mapping, not list"),
    ],
)  # fmt: skip
def test_what_is_surely_wrong(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidRequestError, match=expected):
        created_endpoint({**ENDPOINT, **changes}, {})


@pytest.mark.fact("protocol-2 8.4: all of workers")
@pytest.mark.parametrize(
    ("request_", "keywords", "expected"),
    [
        (None, {"execution_timeout": 600}, r"execution_timeout must be a timedelta, such as timedelta\(seconds=600\)"),
        (None, {"execution_timeout": "10 min"}, "must be a timedelta.*not str"),
        (None, {"execution_timeout": 0 * SECOND}, "at least 1 ms"),
        (None, {"workers": {"max": 5}}, r"workers has no min: .*scale\(max=…\)"),
        (None, {"workers": WorkerSettings(min=0)}, r"workers has no max: .*scale\(min=…\)"),
        # The service might start workers of a paused endpoint.
        (None, {"workers": {"idleTimeout": 5}}, r"workers has no min and no max: .*scale\(idle_timeout=…\)"),
        (None, {"name": None}, "Pass the fields, such as update"),
        ({}, {}, "Pass the fields, such as update"),
        ({"name": "a"}, {"image": "b"}, "not both: got a positional mapping and image="),
        (["name"], {}, "must be a mapping, not list"),
    ],
)
def test_an_update_that_is_surely_wrong(request_: Any, keywords: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidRequestError, match=expected):
        changed_endpoint(request_, keywords)


@pytest.mark.fact("protocol-2 8.4: timeout")
def test_a_timeout_of_milliseconds_that_must_be_seconds() -> None:
    with pytest.warns(UserWarning, match=r"timeout is 600 ms.*600 seconds are 600000"):
        changed_endpoint({"timeout": 600}, {})
    # Warnings are errors.
    changed_endpoint({"timeout": 0}, {})
    changed_endpoint({"timeout": 1000}, {})


@pytest.mark.parametrize(
    ("model", "values", "expected"),
    [
        (ScalingSettings, {}, "pass either queue_delay=.* or request_count="),
        (ScalingSettings, {"queue_delay": SECOND, "request_count": 1}, "pass either"),
        (ScalingSettings, {"queue_delay": 4}, r"queue_delay must be a timedelta, such as timedelta\(seconds=4\)"),
        (WorkerSettings, {"min": 2, "max": 1}, "min is 2, which is greater than max, 1"),
        (WorkerSettings, {"idle_timeout": 5}, "idle_timeout must be a timedelta"),
        (WorkerSettings, {"max": -1}, "max"),
        (WorkerSettings, {"maximum": 1}, "no field 'maximum'"),
        (GPUSettings, {"pools": "ADA_24"}, "pools must be a list, not str"),
        (GPUSettings, {"pools": []}, "pools"),
        (GPUSettings, {"pools": ["NVIDIA L4"]}, "not the name of a GPU"),
        (CPUSettings, {"id": "cpu5c"}, "vcpu_count is missing"),
    ],
)
def test_invalid_settings(model: Any, values: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"Invalid {model.__name__}: .*{expected}"):
        model(**values)


def test_templates_and_registries() -> None:
    template = {"name": "a", "image": "a:1", "mounts": {"persistent": {"size": 20, "path": "/data"}}}
    assert template == created_template(template, {}) == created_template(None, template)
    for bad, expected in (
        ({"image": None}, "image is missing"),
        ({"mounts": {"persistent": {"size": 5, "path": "/data"}}}, "at least 10"),
        ({"isServerless": True}, "isServerless is now serverless"),
    ):
        with pytest.raises(InvalidRequestError, match=expected):
            created_template({**template, **bad}, {})
    for bad in ({"password": None}, {"password": ""}, {"username": 5}):
        with pytest.raises(InvalidRequestError, match=next(iter(bad))) as caught:
            created_registry(None, {"name": "a", "username": "u", "password": "PLANTED", **bad})
        assert "PLANTED" not in caught.value.message
