"""JSON that somebody hands over: read with care, and checked against a schema. What is wrong is told in one sentence."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import Any

from ..names import Told

LARGEST = 64 << 20  # bytes of a file


class Refused(Told, ValueError):
    """A saved verdict or schedule that can't be shown. The message says where and why, in one sentence."""


def read(path: Path) -> Any:
    try:
        if path.stat().st_size > LARGEST:
            raise Refused(f"{path}: is larger than the {LARGEST >> 20} MiB that it may have")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Refused(f"{path}: is not UTF-8 text") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise Refused(f"{quoted(str(path))}: can't be read: {getattr(error, 'strerror', None) or error}") from None
    return _parsed(text, str(path))


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_no_twins)
    except json.JSONDecodeError as error:
        raise Refused(f"{where}:{error.lineno}: is not JSON: {error.msg[:1].lower()}{error.msg[1:]}") from None
    except ValueError as error:
        raise Refused(f"{where}: is not JSON as we write it: {str(error)[:120]}") from None
    except RecursionError:
        raise Refused(f"{where}: is nested too deeply") from None


def plain(document: Any) -> Any:
    """A document as JSON gives it back: no objects, no shared parts, no numbers that JSON lacks."""
    try:
        return _parsed(json.dumps(document, allow_nan=False), "the document")
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused(f"the document: is not plain data: {str(error)[:120]}") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large for a number")
    return value


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen = dict(pairs)
    if len(seen) < len(pairs):
        raise ValueError("a name occurs twice in one object")
    return seen


@functools.cache
def _validator(schema: Path) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")))


def check_schema(document: Any, schema: Path) -> None:
    error = next(_validator(schema).iter_errors(document), None)
    if error is not None:
        raise Refused(f"{_path(error.absolute_path)} {_complaint(error)}")


def _path(parts: Any) -> str:
    text = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in parts).lstrip(".")
    return shortened(text) if text else "it"


def _complaint(error: Any) -> str:
    """What the schema demands there, without the document's own text, which may be of any length."""
    wanted = error.validator_value
    if error.validator == "required":
        return f"lacks {next(name for name in wanted if name not in error.instance)!r}"
    if error.validator == "additionalProperties":
        odd = next(name for name in error.instance if name not in error.schema.get("properties", {}))
        return f"has {quoted(odd)}, which the schema does not know"
    if error.validator == "type":
        return f"is not of type {wanted if isinstance(wanted, str) else ' or '.join(wanted)}"
    if error.validator in ("enum", "const"):
        allowed = wanted if isinstance(wanted, list) else [wanted]
        return f"is {quoted(error.instance)}, not {' or '.join(map(str, allowed))}"
    limits = {"minimum": "is below", "maximum": "is above", "maxLength": "is longer than", "maxItems": "has more items than"}
    limits |= {"minItems": "has fewer items than", "pattern": "does not match", "maxProperties": "has more members than"}
    return f"{limits.get(error.validator, 'breaks the rule ' + error.validator)} {wanted}"


def quoted(value: Any) -> str:
    """Some of a document's text, on one line and without control characters."""
    return shortened(repr(value))


def shortened(text: str, most: int = 60) -> str:
    """Text in which nothing but printable ASCII is left."""
    plain = ascii(text)[1:-1]
    return plain if len(plain) <= most else plain[: most - 3] + "..."
