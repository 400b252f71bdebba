"""The reference: which public names are on which page. The pages are generated, and filled from the docstrings.

The names are read from the source, so that nothing is imported, and none can be forgotten: what is in `__all__` of
`runpod` and on no other page comes on the last one.
"""

from __future__ import annotations

import ast
import functools
from pathlib import Path
from typing import NamedTuple

__all__ = ["ReferencePage", "public_names", "reference_pages"]

SOURCE = Path(__file__).resolve().parents[2] / "src"
MANAGE = "runpod._sync.manage"


class ReferencePage(NamedTuple):
    """A page of the reference.

    Attributes:
        path: Its path below docs/.
        title: Its title.
        markdown: Its text, with a directive for each name.
    """

    path: str
    title: str
    markdown: str


class Topic(NamedTuple):
    """What a page is about.

    Attributes:
        title: The title of the page.
        names: Names of `runpod`, or with dots: in full.
        module: A public module, all of whose names are on the page.
    """

    title: str
    names: tuple[str, ...] = ()
    module: str | None = None


TOPICS = {
    "client": Topic("Client", ("Runpod", "CLIENT_DEFAULT", "ClientDefault")),
    "endpoint": Topic(
        "Endpoint", ("Endpoint", "EndpointHealth", "JobCounts", "WorkerCounts", "PurgeResult", "EndpointLimits")
    ),
    "jobs": Topic(
        "Jobs", ("Job", "JobState", "JobStatus", "JobStream", "StreamChunk", "JobUpdates", "WorkerFailure", "text")
    ),
    "requests": Topic(
        "Requests and settings",
        (
            "JobRequest",
            "JobRequestDict",
            "ExecutionPolicy",
            "ExecutionPolicyDict",
            "S3Config",
            "S3ConfigDict",
            "RetryPolicy",
        ),
    ),
    "map": Topic("Many inputs", ("JobMap", "MapResult", "RunReport", "DurationSummary")),
    "bulk": Topic("Bulk runs", module="runpod.bulk"),
    "batches": Topic("Batches", ("Batches", "Batch", "BatchState", "BatchResults", "BatchResult")),
    "media": Topic("Media and files", module="runpod.media"),
    "uploads": Topic("Uploads", module="runpod.uploads"),
    "public": Topic("Public endpoints", module="runpod.public"),
    "load-balancing": Topic("Load balancing", ("LoadBalancer", "LoadBalancerSession")),
    "webhooks": Topic("Webhooks", module="runpod.webhooks"),
    "logs-and-diagnosis": Topic("Logs and diagnosis", ("Logs", "Diagnosis", "Finding")),
    "management": Topic(
        "Management API",
        (
            "Manage",
            f"{MANAGE}.serverless.Serverless",
            f"{MANAGE}.templates.Templates",
            f"{MANAGE}.registries.Registries",
            f"{MANAGE}.pods.Pods",
            f"{MANAGE}.volumes.Volumes",
            f"{MANAGE}.catalog.Catalog",
            f"{MANAGE}.billing.Billing",
            f"{MANAGE}.account.Account",
        ),
    ),
    "management-models": Topic("Management: models", module="runpod.models.management"),
    "errors": Topic("Errors", module="runpod.errors"),
    "local": Topic("Local server", module="runpod.local"),
    "local-samples": Topic("Local server: samples", module="runpod.local.samples"),
}
# Their names are also names of `runpod`, and shown as such.
SAME = {"runpod.errors", "runpod.media", "runpod.uploads", "runpod.public"}


@functools.cache
def _tree(module: str) -> ast.Module:
    path = SOURCE.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


def public_names(module: str) -> list[str]:
    """Returns `__all__` of a module of the library."""
    for node in _tree(module).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    message = f"{module} has no __all__, which the reference shows."
    raise ValueError(message)


def _introduction(module: str) -> str:
    docstring = ast.get_docstring(_tree(module)) or ""
    text, _, _ = docstring.partition("\n\nExample")
    return text


def _integrations() -> dict[str, Topic]:
    folder = SOURCE / "runpod" / "integrations"
    found = sorted(
        file.stem for file in folder.glob("[!_]*") if file.suffix == ".py" or (file / "__init__.py").exists()
    )
    return {
        f"integrations-{name}": Topic(f"Integrations: {name}", module=f"runpod.integrations.{name}") for name in found
    }


def reference_pages() -> list[ReferencePage]:
    """Returns the pages of the reference, in order: those of the sync API, then those of the async one."""
    _tree.cache_clear()  # a server builds the site again when a file has changed
    exported = public_names("runpod")
    topics = {**TOPICS, **_integrations()}
    shown = {name for topic in topics.values() for name in _names(topic)}
    rest = [name for name in exported if f"runpod.{name}" not in shown and not name.startswith("Async")]
    topics["other"] = Topic("Other names", tuple(rest))
    sync = [_page(slug, topic, exported) for slug, topic in topics.items() if _names(topic)]
    twins = [_async_page(slug, topic) for slug, topic in topics.items() if any(map(_twin, _names(topic)))]
    return [*sync, *twins]


def _names(topic: Topic) -> list[str]:
    """The names on a page, in full."""
    names = [name if "." in name else f"runpod.{name}" for name in topic.names]
    if topic.module:
        prefix = "runpod" if topic.module == "runpod.errors" else topic.module
        exported = public_names("runpod")
        for name in public_names(topic.module):
            if name.startswith("Async"):
                continue
            same = topic.module in SAME and name in exported
            names.append(f"runpod.{name}" if same else f"{prefix}.{name}")
    return names


def _twin(name: str) -> str | None:
    """The async class of a sync one, if it has one."""
    module, _, last = name.rpartition(".")
    if module.startswith(MANAGE):
        return f"{module.replace('_sync', '_async')}.Async{last}"
    return f"{module}.Async{last}" if f"Async{last}" in public_names(module) else None


def _directives(names: list[str]) -> str:
    return "".join(f"\n::: {name}\n" for name in names)


def _page(slug: str, topic: Topic, exported: list[str]) -> ReferencePage:
    names = _names(topic)
    text = f"# {topic.title}\n"
    if topic.module:
        text += f"\n`{topic.module}`\n\n{_introduction(topic.module)}\n"
    elif all(name.rpartition(".")[2] in exported for name in names):
        text += "\nImport these names from `runpod`.\n"
    twins = [twin for twin in map(_twin, names) if twin]
    if twins:
        listed = ", ".join(f"[`{twin.rpartition('.')[2]}`][{twin}]" for twin in twins)
        text += f"\nFor async code: {listed}.\n"
    return ReferencePage(f"reference/{slug}.md", topic.title, text + _directives(names))


def _async_page(slug: str, topic: Topic) -> ReferencePage:
    twins = [twin for twin in map(_twin, _names(topic)) if twin]
    # The texts are those of the sync classes, so a search would find everything twice.
    text = (
        "---\nsearch:\n  exclude: true\n---\n\n"
        f"# {topic.title}, async\n\nThe other names of this part are on [the page of the sync API](../{slug}.md).\n"
    )
    return ReferencePage(f"reference/async/{slug}.md", topic.title, text + _directives(twins))
