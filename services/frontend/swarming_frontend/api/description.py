"""The OpenAPI description at `/openapi.json`: what FastAPI finds in the routes, and what it cannot find there, since we
read bodies and write errors ourselves."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from swarming_frontend.api.encoding import Json
from swarming_frontend.api.messages import Message, NewTaskRequest

SCHEMAS = "#/components/schemas/"
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "object", "properties": {"message": {"type": "string"}}}},
}
FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")


def body_of(kind: type[Message], *, optional: bool = False) -> Json:
    """For the `openapi_extra` of a route that reads such a body."""
    return body_in("application/json", {"$ref": f"{SCHEMAS}{kind.__name__}"}, optional=optional)


def body_in(content_type: str, schema: Json, *, optional: bool = False) -> Json:
    """The same for a body of another kind."""
    return {"requestBody": {"required": not optional, "content": {content_type: {"schema": schema}}}}


def add_description(app: FastAPI, prefix: str) -> None:
    """Have the app describe the client API at this prefix in full; made when it is first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            app.openapi_schema = _completed(found, prefix)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # as FastAPI's documentation has it


def _completed(description: Json, prefix: str) -> Json:
    paths, schemas = description["paths"], description.setdefault("components", {}).setdefault("schemas", {})
    paths[f"{prefix}/tasks/new"] = {"post": _new_task()}
    for path, operations in paths.items():
        for operation in operations.values() if path.startswith(prefix) else ():
            operation["responses"].pop("422", None)
            operation["responses"]["4XX"] = _error()
    for name in FASTAPIS_OWN:
        schemas.pop(name, None)
    schemas.update(_messages(), Error=ERROR)
    return description


def _new_task() -> Json:
    """The hot route, which is below the app."""
    return {
        "tags": ["tasks"],
        "summary": "New",
        "description": "Submit a task; answered with its id and its request as it was completed.",
        "operationId": "new_tasks_post",
        "responses": {"200": {"description": "Successful Response", "content": {"application/json": {"schema": {}}}}},
    } | body_of(NewTaskRequest)


def _error() -> Json:
    schema = {"$ref": f"{SCHEMAS}Error"}
    return {
        "description": "Names the field and what was expected.",
        "content": {"application/json": {"schema": schema}},
    }


def _messages() -> Json:
    kinds = [(kind, "validation") for kind in Message.__subclasses__()]
    _, definitions = models_json_schema(kinds, ref_template=SCHEMAS + "{model}")  # type: ignore[arg-type]
    schemas: Json = definitions["$defs"]
    return schemas
