"""Templates of the files of a new plugin's project.

They are for `string.Template`. `@NAME@` marks the parts that differ between the two kinds of plugins.
"""

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

_TEST = '''"""Runs the conformance suite of llms-core against $title."""

from llms_core.testing.conformance import ProviderConformance


class Test$class_name(ProviderConformance):
    """Override a test that cannot pass, and mark it with `@pytest.mark.xfail(strict=True, reason="...")`."""

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
# The range of versions whose plugin API this plugin supports: within it nothing is removed.
dependencies = ["llms-core$core"@MORE_DEPENDENCIES@]

[project.entry-points.llms_core]
$name = "$module"

[dependency-groups]
test = ["llms-core[testing]$core", "mypy>=1.19", "ruff>=0.15"]

[tool.hatch.build.targets.wheel]
only-include = [@MODULES@]

[tool.pytest.ini_options]
testpaths = ["tests"]
# Prints the result of the conformance suite, with the level that was reached.
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

In `llms.json`, list the models that clients may request:

```json
{"providers": {"$name": {"models": ["some-model"]}}}
```

## Development

@NEXT_STEP@

```sh
pip install --group test -e .
pytest                        # runs the conformance suite of llms-core: bronze, silver or gold
ruff check && mypy $module.py
llms plugins                  # shows whether the gateway finds the plugin
LLMS_LIVE=1 $key_env=… pytest # also sends a few small requests to $title itself
```
"""

_NEXT_STEP_COMPATIBLE = """\
Set the base URL and the key's environment variable in `$module.py`, and declare what $title does not support
(`capabilities`, `drop`)."""

_NEXT_STEP_NATIVE = """\
`$module.py` translates an invented protocol. Replace it by the protocol of $title, and the examples in
`${module}_wire.py` by answers that $title really sent; the tests use them."""

_WORKFLOW = """\
name: tests
on:
  push:
  pull_request:
  schedule:
    - cron: "0 6 * * 1" # because a new version of llms-core may have a stricter suite
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
$distribution has no licence yet. Until its author chooses one, nobody else may use it.

Replace this text by the licence, and add its SPDX identifier to pyproject.toml, such as license = "Apache-2.0".
llms-core is licensed under Apache-2.0, which does not restrict the licence of plugins.
"""

_GITIGNORE = """\
__pycache__/
.venv/
dist/
*.egg-info/
.mypy_cache/
.pytest_cache/
.ruff_cache/
conformance.json
"""


def project_files(*, native: bool) -> Mapping[str, str]:
    """Return path -> text of a project's files. With `native`, the plugin's own modules are not included."""
    # msgspec is a dependency of llms-core, but only a native plugin imports it itself.
    dependencies = ', "msgspec>=0.20,<1"' if native else ""
    modules = '"$module.py", "${module}_wire.py"' if native else '"$module.py"'
    next_step = _NEXT_STEP_NATIVE if native else _NEXT_STEP_COMPATIBLE
    files = {
        "tests/test_$module.py": _TEST,
        "pyproject.toml": _PYPROJECT.replace("@MODULES@", modules).replace("@MORE_DEPENDENCIES@", dependencies),
        "README.md": _README.replace("@NEXT_STEP@", next_step),
        "LICENSE": _LICENSE,
        ".gitignore": _GITIGNORE,
        ".github/workflows/tests.yml": _WORKFLOW,
    }
    if not native:
        files["$module.py"] = _COMPATIBLE
    return files
