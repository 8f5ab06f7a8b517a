"""Templates of a provider whose API speaks OpenAI's JSON, and what all kinds of providers share."""

from __future__ import annotations

from llms_core.cli.scaffold.kind import Kind

_MODULE = '''"""$title, whose API speaks OpenAI's JSON."""

from collections.abc import Iterator

from llms_core import hookimpl
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import ProviderSpec


@hookimpl
def llms_providers() -> Iterator[ProviderSpec]:
    yield ProviderSpec(
        name="$name",
        title="$title",
        adapter=OpenAICompatible,
        base_url="https://api.$name.example/v1",
        key_env=("$key_env",),
    )
'''

CONFORMANCE_TEST = '''"""Runs the conformance suite of llms-core against $title."""

from llms_core.testing.conformance import ProviderConformance


class Test$class_name(ProviderConformance):
    """Override a test that cannot pass, and mark it with `@pytest.mark.xfail(strict=True, reason="...")`."""

    provider = "$name"
'''

USE = """\
```sh
export $key_env=…
llms serve
```

In `llms.json`, list the models that clients may request:

```json
{"providers": {"$name": {"models": ["some-model"]}}}
```
"""

DESCRIPTION = "$title as a provider for llms-core"

COMPATIBLE = Kind(
    files={"$module.py": _MODULE, "tests/test_$module.py": CONFORMANCE_TEST},
    use=USE,
    next_step="""\
Set the base URL and the key's environment variable in `$module.py`, and declare what $title does not support
(`capabilities`, `drop`).""",
    description=DESCRIPTION,
    is_provider=True,
)
