"""`public`: the models that Runpod hosts. `list`, `show`, and `run` with an option for each field of an input."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from runpod._text import readable
from runpod.cli.connection import CallTimeout, Connection, WaitTimeout, api_command
from runpod.cli.exit_status import SUCCESS
from runpod.cli.field_options import FieldsCommand, field_types, parse_fields
from runpod.cli.file_values import with_files
from runpod.cli.job_input import read_input
from runpod.cli.jobs import (
    AllowPrivate,
    ExecutionTimeout,
    FilesOption,
    LowPriority,
    NoWait,
    OutputOnly,
    SaveOption,
    Ttl,
    Uploads,
    Webhook,
    epilog,
    policy_of,
    submit_and_wait,
)
from runpod.cli.json_output import at_terminal, note, write_json, write_table, write_text
from runpod.errors import InvalidRequestError

if TYPE_CHECKING:
    from datetime import timedelta

    from runpod.public import PublicInput, PublicModel, PublicModels

_EXAMPLE = "black-forest-labs-flux-1-schnell"

Slug = Annotated[str, typer.Argument(metavar="SLUG", show_default=False, help="Slug of the model.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    public = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    run_example = f'runpod-sdk public run {_EXAMPLE} --prompt "a horse" --width 512 --height 512 --save pictures'
    public.callback(epilog=epilog(["runpod-sdk public list --kind image", run_example]))(_public)
    examples = ["runpod-sdk public list --kind image", "runpod-sdk public list | jq -r .models[].slug"]
    public.command("list", epilog=epilog(examples))(api_command(list_))
    public.command("show", epilog=epilog([f"runpod-sdk public show {_EXAMPLE}"]))(api_command(show))
    examples = [
        run_example,
        'runpod-sdk public run qwen-image-edit-2511 --prompt "at night" --images @horse.png --images @moon.png',
        """runpod-sdk public run p-image-t2i --input '{"prompt": "a horse"}' --output-only | jq -r .image_url""",
    ]
    settings = {"ignore_unknown_options": True}  # those of the fields
    public.command("run", epilog=epilog(examples), context_settings=settings, cls=FieldsCommand)(api_command(run))
    app.add_typer(public, name="public")


def _public() -> None:
    """Models that Runpod hosts, billed per picture, second or token."""


def list_(
    connection: Connection,
    *,
    kind: Annotated[
        Literal["image", "video", "audio", "text"] | None,
        typer.Option(help="List only models that return this.", show_default=False),
    ] = None,
    timeout: CallTimeout = None,
) -> int:
    """Lists the models: those of the service, or if it does not answer, those that this version knows."""
    found = _models(connection, timeout)
    models = [each for each in found if kind is None or each.kind == kind]
    if not at_terminal():
        write_json({"source": found.source, "models": [_fields_of(each) for each in models]})
        return SUCCESS
    rows = [(each.slug, each.kind, each.price or "?", " ".join(each.required) or "?") for each in models]
    write_table("", ("Slug", "Kind", "Price (USD)", "Required"), rows)
    _note_source(found)
    return SUCCESS


def show(connection: Connection, slug: Slug, *, timeout: CallTimeout = None) -> int:
    """Shows the fields of a model's input, and its price."""
    from runpod.public.catalogue import similar_slug

    found = _models(connection, timeout)
    model = next((each for each in found if each.slug == slug), None)
    if model is None:
        hint = similar_slug(slug, [each.slug for each in found])
        raise InvalidRequestError(f"There is no public model {slug!r}{hint}. `runpod-sdk public list` shows all.")
    types = field_types(model.input_type)
    about = model.description if model.input_type is None else _about(model.input_type)
    if not at_terminal():
        fields = {name: {"type": types.get(name, ""), "required": name in model.required} for name in model.fields}
        write_json(_fields_of(model) | {"fields": fields, "description": about})
        return SUCCESS
    write_text(readable(f"{slug}: {model.kind}, {model.price or 'price unknown'}"))
    if about:
        write_text("\n".join(["", *(readable(line, 2000) for line in about.splitlines()), ""]))
    rows = [
        (f"--{name.replace('_', '-')}", types.get(name, ""), "required" if name in model.required else "")
        for name in model.fields
    ]
    if rows:
        write_table("", ("Option", "Value", ""), rows)
    else:
        note("This version does not know the fields of the model. Any option is sent as a field.")
    _note_source(found)
    return SUCCESS


def run(
    connection: Connection,
    slug: Slug,
    fields: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="--FIELD VALUE",
            show_default=False,
            help="Fields of the input, as `public show SLUG` lists them: --prompt TEXT, --image @FILE.",
        ),
    ] = None,
    *,
    input: Annotated[
        str | None,
        typer.Option(
            metavar="INPUT",
            show_default=False,
            help="The input, a JSON object; @FILE, or - for standard input. Its fields are not checked.",
        ),
    ] = None,
    no_wait: NoWait = False,
    output_only: OutputOnly = False,
    save: SaveOption = None,
    allow_private: AllowPrivate = False,
    files: FilesOption = False,
    uploads: Uploads = None,
    timeout: WaitTimeout = None,
    execution_timeout: ExecutionTimeout = None,
    ttl: Ttl = None,
    low_priority: LowPriority = False,
    webhook: Webhook = None,
) -> int:
    """Runs a model, waits until the job ends, and prints its final state.

    Every field of the input is an option. "@horse.png" is that file, "@@horse" the text @horse.
    """
    connection.uploads = uploads
    target = connection.endpoint(slug)
    model = _typed_inputs().get(slug)
    given = with_files(parse_fields(fields or [], model))
    job_input = _checked(given, model) if input is None else _merged(read_input(input, files=files), given, model)
    return submit_and_wait(
        connection,
        target,
        {
            "input": job_input,
            "policy": policy_of(execution_timeout, ttl, low_priority=low_priority),
            "webhook": webhook,
        },
        timeout=timeout,
        no_wait=no_wait,
        output_only=output_only,
        save=save,
        allow_private=allow_private,
    )


def _checked(given: dict[str, Any], model: type[PublicInput] | None) -> Any:
    """A typed input, or the fields as they are if the model is unknown."""
    if model is None:
        return given
    try:
        return model(**given)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{error.message} `runpod-sdk public show {model.slug}` lists the fields.") from None


def _merged(job_input: dict[str, Any], given: dict[str, Any], model: type[PublicInput] | None) -> dict[str, Any]:
    from runpod.public.inputs.base import check_mapping

    merged = job_input | given
    if model is not None:
        check_mapping(merged, model)
    return merged


def _models(connection: Connection, timeout: timedelta | None) -> PublicModels:
    return connection.client.public.models(timeout=10.0 if timeout is None else timeout)


def _typed_inputs() -> dict[str, type[PublicInput]]:
    from runpod.public.catalogue import typed_inputs

    return typed_inputs()


def _fields_of(model: PublicModel) -> dict[str, Any]:
    return {
        "slug": model.slug,
        "name": model.name,
        "kind": model.kind,
        "price": model.price,
        "required": list(model.required),
        "fields": list(model.fields),
        "live": model.is_live,
        "description": model.description,
    }


def _about(model: type[PublicInput]) -> str:
    """What the documentation of a model says, one line for each paragraph."""
    paragraphs = inspect.cleandoc(model.__doc__ or "").partition("Example:")[0].strip().split("\n\n")
    return "\n".join(" ".join(each.split()) for each in paragraphs)


def _note_source(models: PublicModels) -> None:
    if models.source == "shipped":
        note(f"The list is that of this version, since {models.reason}. Prices may have changed.")
