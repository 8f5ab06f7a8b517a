"""What Azure's content filter reports when it rejects a prompt.

https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter
"""

from __future__ import annotations

from typing import Any

import msgspec


class _InnerError(msgspec.Struct):
    code: str | None = None
    #: The results by category. Azure has spelled the name both ways.
    content_filter_result: Any = None
    content_filter_results: Any = None


class _Error(msgspec.Struct):
    innererror: _InnerError | None = None


class _ErrorAnswer(msgspec.Struct):
    error: _Error | None = None


_error_decoder = msgspec.json.Decoder(_ErrorAnswer)


def filtered_categories(body: bytes) -> list[str] | None:
    """Return the categories for which the filter rejected a prompt; None if the error has another reason.

    The list is empty if Azure does not report them.
    """
    try:
        error = _error_decoder.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if error is None or error.innererror is None:
        return None
    inner_error = error.innererror
    if inner_error.code != "ResponsibleAIPolicyViolation":
        return None
    results = inner_error.content_filter_result or inner_error.content_filter_results
    if not isinstance(results, dict):
        return []
    categories: list[str] = []
    for name, result in results.items():
        if isinstance(result, dict) and result.get("filtered"):
            categories.append(_describe(name, result))
    return categories


def _describe(name: str, result: dict[str, Any]) -> str:
    # Some categories, such as `jailbreak`, are only detected or not.
    if "severity" in result:
        return f"{name}, severity {result['severity']}"
    return name
