"""The files of a new plugin's project: path -> text, both for `string.Template`."""

from __future__ import annotations

from collections.abc import Mapping

_COMPATIBLE = '''"""$title, whose API speaks OpenAI's JSON."""

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

_TEST = '''"""$title under the conformance suite."""

from llms_core.testing.conformance import ProviderConformance


class Test$class_name(ProviderConformance):
    """A test that cannot pass: override it, marked `@pytest.mark.xfail(strict=True, reason="why")`."""

    provider = "$name"
'''

_PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "$distribution"
version = "0.1.0"
description = "$title as a provider for llms-core"
readme = "README.md"
requires-python = ">=3.11"
license-files = ["LICENSE"]
# The range is the version of the plugin API: hooks and contracts only grow within it.
dependencies = ["llms-core$core"@MORE@]

[project.entry-points.llms_core]
$name = "$module"

[dependency-groups]
test = ["llms-core[testing]$core", "mypy>=1.19", "ruff>=0.15"]

[tool.hatch.build.targets.wheel]
only-include = [@MODULES@]

[tool.pytest.ini_options]
testpaths = ["tests"]
# The conformance suite's table at the end, with the level that was reached.
addopts = ["-p", "llms_core.testing.plugin"]

[tool.ruff]
line-length = 120

[tool.ruff.lint]
select = ["B", "E", "F", "I", "RUF", "UP", "W"]

[tool.mypy]
strict = true
"""

_README = """\
# $distribution

$title for llms-core, the OpenAI-compatible gateway.

```sh
pip install $distribution
export $key_env=…
llms serve
```

In `llms.json`, with the models that clients may ask for:

```json
{"providers": {"$name": {"models": ["some-model"]}}}
```

## Work on it

@FIRST@

```sh
pip install --group test -e .
pytest                        # the conformance suite of llms-core: bronze, silver or gold
ruff check && mypy $module.py
llms plugins                  # is it found?
LLMS_LIVE=1 $key_env=… pytest # the same, and a few small requests to $title itself
```
"""

_FIRST = {
    False: "Set the base URL, the variable of the key and what $title cannot do (`capabilities`, `drop`) in "
    "`$module.py`.",
    True: "`$module.py` translates a protocol that is made up: replace it by $title's, and the examples in\n"
    "`${module}_wire.py` by answers that $title really gave. The tests are made of them.",
}

_WORKFLOW = """\
name: tests
on:
  push:
  pull_request:
  schedule:
    - cron: "0 6 * * 1" # a new llms-core may have a stricter suite
permissions:
  contents: read
jobs:
  test:
    runs-on: ubuntu-latest
    strategy:
      fail-fast: false
      matrix:
        python: ["3.11", "3.12", "3.13", "3.14"]
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: $${{ matrix.python }}
      - run: python -m pip install --upgrade pip
      - run: python -m pip install --group test -e .
      - run: ruff check
      - run: mypy $module.py
      - run: pytest --llms-json=conformance.json
"""

_LICENSE = """\
$distribution has no licence yet: until its author chooses one, nobody else may use it.

Put the licence's text here, and its SPDX name into pyproject.toml (license = "Apache-2.0", say).
llms-core itself is under Apache-2.0, which asks nothing of plugins.
"""

_IGNORED = """\
__pycache__/
.venv/
dist/
*.egg-info/
.mypy_cache/
.pytest_cache/
.ruff_cache/
conformance.json
"""


def files(*, native: bool) -> Mapping[str, str]:
    """The project; for `native`, without the modules themselves."""
    modules = ['"$module.py"', *(['"${module}_wire.py"'] if native else [])]
    pyproject = _PYPROJECT.replace("@MODULES@", ", ".join(modules))
    return {
        **({} if native else {"$module.py": _COMPATIBLE}),
        "tests/test_$module.py": _TEST,
        "pyproject.toml": pyproject.replace("@MORE@", ', "msgspec>=0.20,<1"' if native else ""),
        "README.md": _README.replace("@FIRST@", _FIRST[native]),
        "LICENSE": _LICENSE,
        ".gitignore": _IGNORED,
        ".github/workflows/tests.yml": _WORKFLOW,
    }
