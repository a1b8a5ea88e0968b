"""The OpenAPI description of the API: every route of the table, with what its handler reads.

The bodies' schemas come from the tables that the parsers read by; tests hold the rest to the handlers.
"""

import re
from collections.abc import Iterator, Mapping

from fairlead import __version__
from fairlead.api.operations import JSON, OPERATIONS, REFUSED, Operation, Parameter, parameter_schema
from fairlead.api.routes import ROUTES, Route
from fairlead.dockerapi.kinds import Schema
from fairlead.dockerapi.version import NEWEST, OLDEST

_INTRODUCTION = (
    "Docker's Engine API as fairlead serves it. Every path may begin with a version, `/v{oldest}` to "
    "`/v{newest}`. An error is a JSON object with one `message`. Names of images may hold slashes. Requests "
    "over TCP that come from the page of a foreign site get 403."
)
_STATUSES = {
    101: "The connection is a console from here on",
    200: "Done",
    201: "Made",
    204: "Done; there is nothing to say",
    304: "Everything is that way already",
    400: "The request is wrong; nothing has changed",
    401: "Credentials are missing or refused",
    403: "Not allowed, whoever asks",
    404: "What the request names is not there",
    409: "Something else holds what the request needs; nothing has changed",
    500: "The host refused",
    501: "This engine does not do that",
    503: "A part that the request needs cannot be reached",
}
_ERROR: Schema = {"$ref": "#/components/schemas/Error"}


def describe() -> dict[str, object]:
    """The whole document, OpenAPI 3.1."""
    paths: dict[str, dict[str, object]] = {}
    for route in ROUTES:
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route, operation_of(route))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fairlead",
            "version": __version__,
            "description": _INTRODUCTION.format(oldest=OLDEST, newest=NEWEST),
        },
        "servers": [{"url": f"/v{NEWEST}"}, {"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["message"],
                    "properties": {"message": {"type": "string"}},
                }
            }
        },
    }


def operation_of(route: Route) -> Operation:
    """What is written of a route.  KeyError for one that nobody has described."""
    key = f"{route.method} {route.template}"
    if key in OPERATIONS:
        return OPERATIONS[key]
    area = route.path.split("/")[1]
    return REFUSED[area]


def _operation(route: Route, operation: Operation) -> dict[str, object]:
    document: dict[str, object] = {
        "summary": operation.summary,
        "tags": [route.path.split("/")[1]],
        "operationId": "_".join([route.method.lower(), *re.findall(r"\w+", route.path)])
        + ("_" if route.path.endswith("/") else ""),
        "responses": dict(_responses(operation)),
    }
    parameters = [*_path_parameters(route), *map(_parameter, operation.parameters)]
    parameters += [
        {"name": name, "in": "header", "schema": {"type": "string"}, "description": "JSON in base64"}
        for name in operation.headers
    ]
    if parameters:
        document["parameters"] = parameters
    if operation.body is not None:
        document["requestBody"] = {
            "required": not operation.body_optional,
            "content": {operation.body_type: {"schema": operation.body}},
        }
    return document


def _path_parameters(route: Route) -> Iterator[Mapping[str, object]]:
    for name in re.findall(r"\{(\w+)", route.path):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
        }


def _parameter(parameter: Parameter) -> Mapping[str, object]:
    schema = parameter_schema(parameter)
    document: dict[str, object] = {"name": parameter.name, "in": "query"}
    # A JSON document inside of the query is described by its content.
    document |= {"content": {JSON: {"schema": schema}}} if parameter.mark == "{}" else {"schema": schema}
    return document | ({"required": True} if parameter.required else {})


def _responses(operation: Operation) -> Iterator[tuple[str, object]]:
    for status in operation.answers:
        response: dict[str, object] = {"description": _STATUSES[status]}
        if operation.answer_type and status in (200, 201):
            response["content"] = {operation.answer_type: {"schema": operation.answer}}
        yield str(status), response
    for status in operation.errors:
        said = operation.reasons.get(status, _STATUSES[status])
        content = {"content": {JSON: {"schema": _ERROR}}} if status >= 400 else {}
        yield str(status), {"description": said, **content}
