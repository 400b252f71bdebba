"""Caption many pictures with `map`, and then again with results for those that fail, and a report.

    python examples/map_captions.py

It runs on a local server. For a real endpoint remove the server: `Runpod()` takes the key from RUNPOD_API_KEY.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from runpod import JobFailedError, Runpod
from runpod.local import LocalEndpoint, LocalServer

if TYPE_CHECKING:
    from runpod import Endpoint

PICTURES = [f"horse-{number}.png" for number in range(1, 31)]
BROKEN = "horse-13.png"


def caption(job: dict[str, Any]) -> dict[str, Any]:
    """The handler: describes a picture, which takes a tenth of a second."""
    picture = job["input"]["picture"]
    time.sleep(0.1)
    if picture == BROKEN:
        raise ValueError("not a picture")
    return {"text": f"a horse, seen in {picture}", "cost": 0.0002}


def caption_in_order(endpoint: Endpoint[Any]) -> None:
    # Outputs in the order of the inputs. The first failure is raised, and what is unfinished is cancelled.
    try:
        for picture, output in zip(
            PICTURES, endpoint.map(({"picture": each} for each in PICTURES), in_flight=10), strict=True
        ):
            print(f"{picture}: {output['text']}")
    except JobFailedError as error:
        print(f"Stopped: {error}")


def caption_all(endpoint: Endpoint[Any]) -> None:
    # A result for each input, as soon as it is known. `progress=True` shows a bar, if this is a terminal and tqdm is
    # installed.
    captions: dict[str, str] = {}
    with endpoint.map_unordered(({"picture": each} for each in PICTURES), in_flight=10, job_timeout=60) as results:
        for result in results:
            picture = PICTURES[result.index]
            if result.output is not None:
                captions[picture] = result.output["text"]
            else:
                print(f"{picture}: {result.error}")
    print(f"\n{len(captions)} captions\n\n{results.report}")


def main() -> None:
    with (
        LocalServer({"captions": LocalEndpoint(caption, workers=5)}) as server,
        Runpod(server.api_key, base_url=server.base_url) as client,
    ):
        endpoint = client.endpoint("captions")
        print("In order:\n")
        caption_in_order(endpoint)
        print("\nAll of them:\n")
        caption_all(endpoint)


if __name__ == "__main__":
    main()
