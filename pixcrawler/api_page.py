"""The page that describes the API to people, drawn from the very description that programs read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from jobs.api import api
from jobs.token_models import Scope

Schema = Mapping[str, Any]

#: Where a parameter stands, if it is not behind the question mark.
_PLACES = {"path": "In the address.", "header": "A header."}


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A parameter of an operation, or a field of a shape. `shape` names the shape that it has, where it has one."""

    name: str
    kind: str
    shape: str
    meaning: str
    is_required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What one method of one address does. `errors` are the statuses that it may answer with besides `answer`."""

    name: str
    method: str
    path: str
    summary: str
    parameters: Sequence[Value]
    body: str
    status: str
    answer: Value | None
    errors: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """An object that goes in or comes out."""

    name: str
    meaning: str
    fields: Sequence[Value]


@require_GET
def api_page(request: HttpRequest) -> HttpResponse:
    """Operations by what they are about, then the shapes that they name."""
    sections, shapes = _described()
    return render(request, "help_api.html", {"sections": sections, "shapes": shapes, "scopes": Scope})


@cache
def _described() -> tuple[dict[str, list[Operation]], list[Shape]]:
    """The operations by section, and the shapes: the same for everybody, as long as the process runs."""
    description = api.get_openapi_schema()
    sections: dict[str, list[Operation]] = {}
    for path, methods in description["paths"].items():
        section = path.removeprefix(reverse("api:api-root")).partition("/")[0].capitalize()
        for method, operation in methods.items():
            sections.setdefault(section, []).append(_operation(method, path, operation))
    schemas: dict[str, Schema] = description["components"]["schemas"]
    shapes = [_shape(name, schema) for name, schema in sorted(schemas.items()) if "properties" in schema]
    return sections, shapes


def _operation(method: str, path: str, operation: Schema) -> Operation:
    answers = {str(status): answer for status, answer in operation["responses"].items()}
    status = min(answers)
    content = next(iter(answers[status].get("content", {}).values()), None)
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return Operation(
        name=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation.get("description", operation["summary"]),
        parameters=[_parameter(parameter) for parameter in operation["parameters"]],
        body=_reference(body),
        status=status,
        answer=_value("", content["schema"], is_required=True) if content else None,
        errors=sorted(answers.keys() - {status}),
    )


def _parameter(parameter: Schema) -> Value:
    where = _PLACES.get(parameter["in"], "")
    return _value(
        parameter["name"],
        parameter["schema"],
        is_required=parameter["required"],
        meaning=" ".join(part for part in (parameter.get("description", ""), where) if part),
    )


def _shape(name: str, schema: Schema) -> Shape:
    required = schema.get("required", ())
    fields = [_value(field, details, is_required=field in required) for field, details in schema["properties"].items()]
    return Shape(name=name, meaning=" ".join(schema.get("description", "").split()), fields=fields)


def _value(name: str, schema: Schema, *, is_required: bool, meaning: str = "") -> Value:
    told = [schema.get("description", meaning)]
    if not is_required and schema.get("default") not in (None, "", [], {}):
        told.append(f"Without it: {_told(schema['default'])}.")
    return Value(
        name=name,
        kind=_kind(schema),
        shape=_reference(schema),
        meaning=" ".join(part for part in told if part),
        is_required=is_required,
    )


def _told(default: Any) -> str:
    if isinstance(default, bool):
        return "true" if default else "false"
    if isinstance(default, dict):
        return ", ".join(f"{name} {_told(value)}" for name, value in default.items())
    return str(default)


def _reference(schema: Schema) -> str:
    """The name of the shape that a schema is, or is a list of, or may be; "" where it is none."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    inner = [schema["items"]] if "items" in schema else schema.get("anyOf", schema.get("allOf", ()))
    return next((found for part in inner if (found := _reference(part))), "")


def _kind(schema: Schema) -> str:
    """What a value is, in words: its type and its bounds."""
    if "anyOf" in schema:
        return " or ".join(_kind(part) for part in schema["anyOf"])
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "items" in schema:
        most = f", at most {schema['maxItems']:,}" if "maxItems" in schema else ""
        return f"list of {_kind(schema['items'])}{most}"
    kind = {"integer": "whole number", "string": "text", "boolean": "true or false"}.get(
        schema.get("type", ""), schema.get("type", _reference(schema))
    )
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None and high < 2**53:
        return f"{kind} from {low:,} to {high:,}"
    length = f", {schema['maxLength']:,} characters at most" if "maxLength" in schema else ""
    return f"{kind}{length}"
