"""Look-alikes of workers that return images."""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from typing import Any, NamedTuple, TypeGuard

from runpod.local.samples.input_schema import Field, check_input
from runpod.local.samples.picture import MAX_SIDE, draw, key_of
from runpod.local.samples.picture_urls import picture_url

__all__ = ["comfyui", "sdxl"]

_MAX_IMAGES = 16


class _Node(NamedTuple):
    """A node of a workflow in the API format."""

    id: str
    class_type: str
    inputs: dict[str, Any]


def comfyui(job: dict[str, Any], *, bucket: bool = False, seconds: float = 0.0) -> dict[str, Any]:
    """Return images as worker-comfyui does, from version 5.

    It does not run the workflow. It looks for nodes that save images, for the size and number of images (`width`,
    `height` and `batch_size` of any node), and draws that many. With a `PreviewImage` only, there is no image.

    Args:
        job: The job. Its input has `workflow`, in the API format, and may have `images`.
        bucket: Whether to return URLs, as that worker does with a bucket, instead of base64.
        seconds: Time to take.
    """
    job_input: dict[str, Any] = job["input"]
    workflow = job_input.get("workflow")
    if workflow is None:
        return {"error": "Missing 'workflow' parameter"}
    images: Any = job_input.get("images")
    if images is not None and not _are_images(images):
        return {"error": "'images' must be a list of objects with 'name' and 'image' keys"}
    problems = [f"Error decoding base64 for {image['name']}: {e}" for image in images or () if (e := _problem(image))]
    if problems:
        return {"error": "Failed to upload one or more input images", "details": problems}
    try:
        nodes = _nodes(workflow)
        width, height, batch = (_number(nodes, name) for name in ("width", "height", "batch_size"))
    except ValueError as error:
        return {"error": str(error)}
    time.sleep(seconds)
    width, height = width or 512, height or 512
    names = [
        f"{_prefix(node)}_{i:05}_.png" for node in nodes if _saves(node) for i in range(1, min(batch or 1, 99) + 1)
    ]
    if max(width, height) > MAX_SIDE or len(names) > _MAX_IMAGES:
        reason = f"Workflow execution error: out of memory for {len(names)} images of {width}x{height}"
        return {"error": "Job processing failed", "details": [reason]}
    if not names:
        return {"status": "success_no_images", "images": []}
    keys = [key_of(workflow, images, number) for number in range(len(names))]
    outputs = [
        {"filename": name, "type": "s3_url", "data": picture_url(key, width, height)}
        if bucket
        else {"filename": name, "type": "base64", "data": base64.b64encode(draw(key, width, height)).decode()}
        for name, key in zip(names, keys, strict=True)
    ]
    return {"images": outputs}


def _are_images(images: Any) -> bool:
    return _is_list(images) and all(
        _is_dict(image) and "name" in image and isinstance(image.get("image"), str) for image in images
    )


def _problem(image: dict[str, str]) -> str | None:
    try:
        base64.b64decode(image["image"].rpartition(",")[2])
    except (binascii.Error, ValueError) as error:  # ValueError: text that is not ASCII.
        return str(error)
    return None


def _nodes(workflow: Any) -> list[_Node]:
    nodes: list[_Node] = []
    for node_id, given in workflow.items() if _is_dict(workflow) else ():
        if not _is_dict(given) or not isinstance(given.get("class_type"), str):
            # As for a workflow that was saved in the format of the editor.
            raise ValueError(
                f"Cannot execute because node {node_id!r} is missing the class_type property. "
                "Export the workflow in the API format."
            )
        inputs = given.get("inputs")
        nodes.append(_Node(node_id, given["class_type"], inputs if _is_dict(inputs) else {}))
    if not any(_saves(node) or node.class_type == "PreviewImage" for node in nodes):
        raise ValueError("Prompt has no outputs. Add a node such as SaveImage to the workflow.")
    return nodes


def _saves(node: _Node) -> bool:
    name = node.class_type.lower()
    return "save" in name and "image" in name


def _prefix(node: _Node) -> str:
    prefix = node.inputs.get("filename_prefix")
    # The prefix may have folders, which are not part of the file name.
    return prefix.rpartition("/")[2] if isinstance(prefix, str) else "ComfyUI"


def _number(nodes: list[_Node], name: str) -> int | None:
    for node in nodes:
        value = node.inputs.get(name)
        if value is None or isinstance(value, list):  # A list is a link to another node.
            continue
        if type(value) is not int or value < 1:
            raise ValueError(f"Workflow validation failed:\n• Node {node.id} (errors): {name} must be 1 or more")
        return value
    return None


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_dict(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


_SDXL_INPUT = {
    "prompt": Field(str),
    "negative_prompt": Field(str),
    "height": Field(int, 1024),
    "width": Field(int, 1024),
    "seed": Field(int),
    "scheduler": Field(str, "DDIM"),
    "num_inference_steps": Field(int, 25),
    "refiner_inference_steps": Field(int, 50),
    "guidance_scale": Field(float, 7.5),
    "strength": Field(float, 0.3),
    "image_url": Field(str),
    "num_images": Field(int, 1),
    "high_noise_frac": Field(float),
}


def sdxl(job: dict[str, Any], *, bucket: bool = False, seconds: float = 0.0) -> dict[str, Any]:
    """Return images as worker-sdxl does.

    An `image_url` is not downloaded. The picture depends on its text.

    Args:
        job: The job. Its input has `prompt`, and may have the other keys of that worker, such as `width` and `seed`.
        bucket: Whether to return URLs, as that worker does with a bucket, instead of data URLs.
        seconds: Time to take.
    """
    values, problem = check_input(job["input"], _SDXL_INPUT)
    width, height, count = values["width"], values["height"], values["num_images"]
    if problem is None and count not in {1, 2}:
        problem = "num_images does not meet the constraints."
    if problem is not None:
        return {"error": problem}
    time.sleep(seconds)
    if values["prompt"] is None:
        problem = "Unexpected error: Provide a `prompt`."
    elif any(side is None or side < 8 or side % 8 for side in (width, height)):
        problem = f"Unexpected error: `height` and `width` have to be divisible by 8 but are {height} and {width}."
    elif max(width, height) > MAX_SIDE:
        problem = f"RuntimeError: out of memory for an image of {width}x{height}"
    if problem is not None:
        return {"error": problem, "refresh_worker": True}
    seed = secrets.randbelow(2**16) if values["seed"] is None else values["seed"]
    images: list[str] = []
    for number in range(count):
        key = key_of(values["prompt"], values["negative_prompt"], values["image_url"], seed, number)
        if bucket:
            images.append(picture_url(key, width, height))
        else:
            images.append("data:image/png;base64," + base64.b64encode(draw(key, width, height)).decode())
    output = {"images": images, "image_url": images[0], "seed": seed}
    return output | ({"refresh_worker": True} if values["image_url"] else {})
