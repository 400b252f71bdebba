"""`templates`: containers of endpoints and pods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from runpod.cli.confirmation import Yes, delete
from runpod.cli.connection import CallTimeout, Connection, api_command, call_timeout
from runpod.cli.container_options import (
    Args,
    Disk,
    Env,
    Image,
    Json,
    Name,
    Port,
    Registry,
    UnsetEnv,
    changed_variables,
    settings,
    variables,
)
from runpod.cli.exit_status import SUCCESS
from runpod.cli.jobs import epilog
from runpod.cli.json_output import wire_json, write_json
from runpod.cli.resource_output import print_created, write_list
from runpod.errors import InvalidRequestError

if TYPE_CHECKING:
    from runpod.models.management import Template

_CREATE = "runpod-sdk templates create --name horses --image horses:1 --serverless"

TemplateID = Annotated[str, typer.Argument(metavar="TEMPLATE", help="ID of the template.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.callback(epilog=epilog(["runpod-sdk templates list", _CREATE]))(_templates)
    for name, command, example in (
        ("list", list_, "runpod-sdk templates list | jq -r .templates[].id"),
        ("get", get, "runpod-sdk templates get TEMPLATE_ID"),
        ("create", create, _CREATE),
        ("update", update, "runpod-sdk templates update TEMPLATE_ID --image horses:2"),
        ("delete", delete_, "runpod-sdk templates delete TEMPLATE_ID --yes"),
    ):
        group.command(name, epilog=epilog([example]))(api_command(command))
    app.add_typer(group, name="templates")


def _templates() -> None:
    """Templates: containers of endpoints and pods."""


def list_(connection: Connection, *, timeout: CallTimeout = None) -> int:
    """Lists the templates of the account."""
    found = connection.client.manage.templates.list(timeout=call_timeout(timeout))
    write_list("templates", found, ("ID", "Name", "For", "Category", "Image"), _row)
    return SUCCESS


def _row(template: Template) -> tuple[object, ...]:
    use = "endpoints" if template.serverless else "pods"
    return template.id, template.name, use, template.category, template.image


def get(connection: Connection, template: TemplateID, *, timeout: CallTimeout = None) -> int:
    """Prints a template, with the values of its environment variables."""
    write_json(wire_json(connection.client.manage.templates.get(template, timeout=call_timeout(timeout))))
    return SUCCESS


def create(
    connection: Connection,
    *,
    json: Json = None,
    name: Name = None,
    image: Image = None,
    serverless: Annotated[bool, typer.Option("--serverless", help="It is for endpoints, not for pods.")] = False,
    env: Env = None,
    args: Args = None,
    disk: Disk = None,
    port: Port = None,
    registry: Registry = None,
    timeout: CallTimeout = None,
) -> int:
    """Creates a template, and prints it."""
    request: Any = settings(
        json,
        name=name,
        image=image,
        serverless=serverless or None,
        env=variables(env),
        args=args,
        disk=disk,
        ports=port,
        registry=registry,
    )
    templates = connection.client.manage.templates
    return print_created("template", "templates", lambda: templates.create(request, timeout=call_timeout(timeout)))


def update(
    connection: Connection,
    template: TemplateID,
    *,
    json: Json = None,
    name: Name = None,
    image: Image = None,
    env: Env = None,
    unset_env: UnsetEnv = None,
    args: Args = None,
    disk: Disk = None,
    port: Port = None,
    registry: Registry = None,
    timeout: CallTimeout = None,
) -> int:
    """Changes a template, and prints it. Endpoints that were created from it do not change.

    What is not passed stays as it is. --port replaces the whole list. --env and --unset-env keep all other variables.
    """
    templates = connection.client.manage.templates
    variables_ = None
    if env or unset_env:
        current = templates.get(template, timeout=call_timeout(timeout))
        variables_ = changed_variables(current.env, env, unset_env)
    request: Any = settings(
        json, name=name, image=image, env=variables_, args=args, disk=disk, ports=port, registry=registry
    )
    if not request:
        raise InvalidRequestError("Nothing to change. Pass an option, such as --image; --help lists them.")
    write_json(wire_json(templates.update(template, request, timeout=call_timeout(timeout))))
    return SUCCESS


def delete_(connection: Connection, template: TemplateID, *, yes: Yes = False, timeout: CallTimeout = None) -> int:
    """Deletes a template."""
    templates = connection.client.manage.templates
    return delete(f"template {template!r}", lambda: templates.delete(template, timeout=call_timeout(timeout)), yes=yes)
