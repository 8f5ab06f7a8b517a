"""Templates of the files that every new plugin's project has.

They are for `string.Template`. `@NAME@` marks the parts that differ between the kinds of plugins.
"""

from __future__ import annotations

from collections.abc import Mapping

from llms_core.cli.scaffold.kind import Kind

_PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "$distribution"
version = "0.1.0"
description = "@DESCRIPTION@"
readme = "README.md"
requires-python = ">=3.11"
license-files = ["LICENSE"]
# The range of versions whose plugin API this plugin supports: within it nothing is removed.
dependencies = ["llms-core$core"@MORE_DEPENDENCIES@]

[project.entry-points.llms_core]
$name = "$module"

[project.optional-dependencies]
test = ["llms-core[testing]$core", "mypy>=1.19", "ruff>=0.15"]

[tool.hatch.build.targets.wheel]
only-include = [@MODULES@]

[tool.pytest.ini_options]
testpaths = ["tests"]
@PYTEST@
[tool.ruff]
line-length = 120

[tool.ruff.lint]
select = ["B", "E", "F", "I", "RUF", "UP", "W"]

[tool.mypy]
strict = true
"""

_PYTEST_PROVIDER = """\
# Prints the result of the conformance suite, with the level that was reached.
addopts = ["-p", "llms_core.testing.plugin"]
"""

_README = """\
# $distribution

$title for llms-core, the OpenAI-compatible gateway.

```sh
pip install $distribution
```

@USE@
## Development

@NEXT_STEP@

```sh
pip install -e ".[test]"
@COMMANDS@```
"""

_COMMANDS = """\
pytest                        # @PYTEST@
ruff check && mypy $module.py
llms plugins                  # shows whether the gateway finds the plugin
"""

_LIVE = """\
LLMS_LIVE=1 $key_env=… pytest # also sends a few small requests to $title itself
"""

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
      - run: python -m pip install -e ".[test]"
      - run: ruff check
      - run: mypy $module.py
      - run: pytest@OPTIONS@
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


def project_files(kind: Kind) -> Mapping[str, str]:
    """Return path -> text of the files of a project, the plugin's own included."""
    parts = _provider_parts() if kind.is_provider else _plugin_parts()
    parts["USE"] = kind.use
    parts["NEXT_STEP"] = kind.next_step
    parts["DESCRIPTION"] = kind.description
    parts["MODULES"] = ", ".join(f'"{module}"' for module in kind.modules)
    parts["MORE_DEPENDENCIES"] = ', "msgspec>=0.20,<1"' if kind.imports_msgspec else ""
    return {
        **kind.files,
        "pyproject.toml": _filled(_PYPROJECT, parts),
        "README.md": _filled(_README, parts),
        "LICENSE": _LICENSE,
        ".gitignore": _GITIGNORE,
        ".github/workflows/tests.yml": _filled(_WORKFLOW, parts),
    }


def _provider_parts() -> dict[str, str]:
    runs = "runs the conformance suite of llms-core: bronze, silver or gold"
    commands = _COMMANDS.replace("@PYTEST@", runs) + _LIVE
    return {
        "PYTEST": _PYTEST_PROVIDER,
        "COMMANDS": commands,
        "OPTIONS": " --llms-json=conformance.json",
    }


def _plugin_parts() -> dict[str, str]:
    commands = _COMMANDS.replace(
        "@PYTEST@", "runs the plugin in a gateway, in front of a scripted provider"
    )
    return {"PYTEST": "", "COMMANDS": commands, "OPTIONS": ""}


def _filled(template: str, parts: Mapping[str, str]) -> str:
    for name, text in parts.items():
        template = template.replace(f"@{name}@", text)
    return template
