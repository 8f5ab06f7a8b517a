"""The `llms` command."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from command_line import TIMEOUT, CommandLine

from llms_core import __version__
from llms_core.cli import COMMANDS, main
from llms_core.config import plugins_toml
from llms_core.config.model import ClientKey

Llms = Callable[..., Result]

CONFIG = {
    "providers": {
        "first": {
            "type": "OpenAiProvider",
            "base_url": "http://localhost:1",
            "api_key": "secret-first",
            "models": {"kimi-k2": "moonshotai/kimi-k2", "own": "own"},
            "pricing": {"moonshotai/kimi-k2": {"input": "0.000001", "output": "0.0000025"}},
        },
        "second": {
            "type": "OpenAiProvider",
            "base_url": "http://localhost:2",
            "api_key": "$NO_SUCH_KEY",
            "models": {"kimi-k2": "kimi"},
        },
        "third": {
            "type": "OpenAiProvider",
            "base_url": "http://localhost:3",
            "api_key": "secret-third",
            "models": {"kimi-k2": "k2", "spare": "spare-1"},
            "default_pricing": {"input": "0", "output": "0"},
        },
        "off": {
            "type": "OpenAiProvider",
            "base_url": "http://localhost:4",
            "enabled": False,
            "models": {"x": "x"},
        },
    }
}


@pytest.fixture
def llms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Llms:
    """Run a command in the user's own folder, which contains `CONFIG`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLMS_HOME", str(tmp_path))
    (tmp_path / "llms.json").write_text(json.dumps(CONFIG))

    def run(*arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(
            main, arguments, input=stdin, prog_name="llms", catch_exceptions=False
        )

    return run


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=TIMEOUT
    )


def test_help_lists_built_in_commands_and_those_of_plugins(llms: Llms, tmp_path: Path) -> None:
    """llms_commands."""
    (tmp_path / "mine.py").write_text(
        "from llms_core import hookimpl\n@hookimpl\ndef llms_commands(group):\n"
        "    @group.command()\n    def mine():\n        'My own.'\n        print('done')\n"
    )
    (tmp_path / "plugins.toml").write_text('[plugins]\nload = ["mine.py"]')
    result = llms("--help")
    assert result.exit_code == 0
    assert all(f"\n  {name}" in result.output for name in COMMANDS)
    assert re.search(r"^  mine +My own\.$", result.output, re.MULTILINE)
    assert llms().output == result.output
    assert llms("mine").output == "done\n"


def test_help_reports_an_invalid_file(llms: Llms, tmp_path: Path) -> None:
    (tmp_path / "plugins.toml").write_text("[plugin")
    result = llms("--help")
    assert result.exit_code == 0
    assert "plugins.toml:1: not valid TOML" in result.stderr
    assert "Usage: llms" in result.stdout


def test_a_misspelt_command_is_no_prompt(llms: Llms) -> None:
    """A single word that is nearly a command's name; anything else is a prompt."""
    result = llms("srve")
    assert result.exit_code == 2
    assert "No such command 'srve'. Did you mean `llms serve`?" in result.stderr


def test_only_serve_imports_the_server(tmp_path: Path) -> None:
    """`llms --help` is fast because of what it does not import."""
    program = (
        "import sys\nfrom llms_core.cli import main\n"
        "main(['--help'], standalone_mode=False)\nmain(['ls'], standalone_mode=False)\n"
        "print(sorted({'litestar', 'uvicorn', 'httpx', 'httptools', 'asyncio'} & sys.modules.keys()))"
    )
    assert python("-c", program, cwd=tmp_path).stdout.endswith("[]\n")


def test_the_version(llms: Llms, tmp_path: Path) -> None:
    """`python -m llms_core` is `llms`."""
    assert llms("--version").output == f"llms, version {__version__}\n"
    assert (
        python("-m", "llms_core", "--version", cwd=tmp_path).stdout
        == f"llms, version {__version__}\n"
    )


def test_ls_shows_providers_in_order_with_state_and_models(llms: Llms) -> None:
    """SR-071, K-02, K-07: prices in USD per million tokens."""
    result = llms("ls")
    assert result.exit_code == 0
    assert result.output == (
        "first: enabled\n"
        "  kimi-k2  moonshotai/kimi-k2  $1 in, $2.5 out\n"
        "  own      own\n"
        "second: not enabled: no key: set NO_SUCH_KEY\n"
        "  1 model\n"
        "third: enabled\n"
        "  kimi-k2  k2       free\n"
        "  spare    spare-1  free\n"
        "off: not enabled: disabled in llms.json\n"
        "  1 model\n"
    )


def test_ls_of_a_provider(llms: Llms) -> None:
    assert (
        llms("ls", "second").output
        == "second: not enabled: no key: set NO_SUCH_KEY\n  kimi-k2  kimi\n"
    )
    result = llms("ls", "forth")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "llms: unknown provider 'forth' (similar: first)\n"


def test_ls_marks_demo_models(llms: Llms, tmp_path: Path) -> None:
    """`ProviderSpec.demo`."""
    (tmp_path / "demo.py").write_text(
        "from llms_core import hookimpl\nfrom llms_core.openai_compatible import OpenAICompatible\n"
        "from llms_core.provider import ProviderSpec\n@hookimpl\ndef llms_providers():\n    return [ProviderSpec("
        "name='toy', adapter=OpenAICompatible, title='', base_url='http://localhost:1', needs_key=False, demo=True)]\n"
    )
    (tmp_path / "plugins.toml").write_text('[plugins]\nload = ["demo.py"]')
    (tmp_path / "llms.json").write_text(
        '{"providers": {"toy": {"type": "toy", "all_models": true}}}'
    )
    output = llms("ls").output
    assert "toy: enabled  (demo model: for trying things out, not for work)\n" in output
    assert "and the models that the provider lists itself" in output


def test_ls_as_json(llms: Llms) -> None:
    listed = json.loads(llms("ls", "--json").output)
    assert [item["id"] for item in listed] == ["first", "second", "third", "off"]
    assert listed[0]["models"][0] == {
        "name": "kimi-k2",
        "aliases": [],
        "upstream": "moonshotai/kimi-k2",
        "price": {"input": 1.0, "output": 2.5},
    }
    assert (listed[1]["enabled"], listed[1]["reason"]) == (False, "no key: set NO_SUCH_KEY")


def test_no_command_shows_a_key(llms: Llms) -> None:
    """SR-066, K-05."""
    for arguments in (
        ["ls"],
        ["ls", "--json"],
        ["route", "kimi-k2", "--explain"],
        ["config", "check"],
        ["plugins"],
    ):
        assert "secret-" not in llms(*arguments).output


def test_plugins_are_listed_with_their_state(llms: Llms, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("1 / 0")
    (tmp_path / "plugins.toml").write_text(
        '[plugins]\nload = ["bad.py"]\ndisabled = ["ollama", "no-such-plugin"]'
    )
    result = llms("plugins")
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["NAME", "DISTRIBUTION", "VERSION", "STATE", "IMPORT"]
    assert ["ollama", "llms-providers", __version__, "disabled", "0", "ms"] in [
        line.split() for line in lines
    ]
    assert (
        f"bad: plugin 'bad' of bad.py: ZeroDivisionError: division by zero ({tmp_path}/bad.py:1)"
        in lines
    )
    assert "ollama: listed in [plugins] disabled" in lines
    assert "openai: provides openai-compatible, llms_default_config" in lines
    assert "'no-such-plugin' is installed" in result.stderr
    rows = {row["name"]: row for row in json.loads(llms("plugins", "--json").stdout)}
    assert (rows["bad"]["state"], rows["openai"]["provides"][0]) == (
        "quarantined",
        "openai-compatible",
    )


def test_the_list_of_plugins_tells_whether_middleware_is_in_use(llms: Llms, tmp_path: Path) -> None:
    (tmp_path / "plugins.toml").write_text('[plugin.guard]\ndeny = ["secret"]')
    lines = llms("plugins").stdout.splitlines()
    assert "guard: provides llms_middleware" in lines
    assert "cache: provides llms_middleware (off: see [plugin.cache] of plugins.toml)" in lines


def test_route_shows_candidates_in_order_and_refusals(llms: Llms) -> None:
    """SR-070, SR-071, SR-079."""
    result = llms("route", "kimi-k2")
    assert (
        result.output
        == "1. first: moonshotai/kimi-k2\n2. third: k2\n-  second: no key: set NO_SUCH_KEY\n"
    )
    explained = llms("route", "kimi-k2", "--explain").output
    assert explained == result.output + "-  off: disabled in llms.json\n"
    assert json.loads(llms("route", "kimi-k2", "--json").output) == {
        "model": "kimi-k2",
        "candidates": [
            {"provider": "first", "model": "kimi-k2", "upstream": "moonshotai/kimi-k2"},
            {"provider": "third", "model": "kimi-k2", "upstream": "k2"},
        ],
        "refusals": [{"provider": "second", "reason": "no key: set NO_SUCH_KEY"}],
        "may_have_it": [],
        "plugins": [],
        "middleware": [],
    }


def test_route_shows_what_plugins_do(llms: Llms, tmp_path: Path) -> None:
    (tmp_path / "picky.py").write_text(
        "from llms_core import hookimpl\n@hookimpl\ndef llms_candidates(candidates, caller):\n"
        "    if caller is not None and caller.name == 'eve':\n        return []\n"
        "    return [each for each in candidates if each.provider_id != 'first']\n"
        "async def around(call, forward): ...\n@hookimpl\ndef llms_middleware():\n    return [around]\n"
    )
    (tmp_path / "plugins.toml").write_text('[plugins]\nload = ["picky.py"]')
    result = llms("route", "kimi-k2")
    assert result.output == (
        "1. third: k2\n-  second: no key: set NO_SUCH_KEY\n*  plugin 'picky' of picky.py removed first\n"
        "*  around every request: plugin 'picky' of picky.py\n"
    )
    refused = llms("route", "kimi-k2", "--caller", "eve")
    assert refused.exit_code == 1
    assert refused.stderr == "llms: Plugin 'picky' removed every provider of model 'kimi-k2'\n"


def test_route_includes_fallbacks(llms: Llms, tmp_path: Path) -> None:
    (tmp_path / "plugins.toml").write_text('[routing]\nfallbacks = { own = ["spare"] }')
    assert (
        llms("route", "own").output == "1. first: own\n2. third: spare-1 (as the fallback spare)\n"
    )


def test_route_of_an_unknown_model(llms: Llms) -> None:
    """SR-061: the message, with similar models and where to look."""
    result = llms("route", "kimi-k3")
    assert (result.exit_code, result.stdout) == (1, "")
    assert (
        result.stderr
        == "llms: Model 'kimi-k3' not found in any enabled provider\nSimilar models: kimi-k2\n"
    )


def test_config_check(llms: Llms, tmp_path: Path) -> None:
    """K-24, K-02: warnings go to stderr; with --strict an unknown key is an error."""
    result = llms("config", "check")
    assert result.exit_code == 0
    assert result.stdout.endswith("llms.json: ok, 2 of 4 providers enabled\n")
    assert (
        result.stderr
        == "warning: llms.json:1: providers.second: left out: no key: set NO_SUCH_KEY\n"
    )
    (tmp_path / "other.json").write_text('{"providers": {}, "provider": {}}')
    assert llms("config", "check", "--config", "other.json").exit_code == 0
    strict = llms("--config", "other.json", "config", "check", "--strict")
    assert (strict.exit_code, strict.stdout) == (2, "")
    assert "llms: other.json:1: provider: unknown member" in strict.stderr


def test_a_missing_file(llms: Llms) -> None:
    """SR-082: --config before or after the command."""
    for arguments in (["ls", "--config", "gone.json"], ["--config", "gone.json", "ls"]):
        result = llms(*arguments)
        assert result.exit_code == 2
        assert result.stderr.startswith(
            "llms: gone.json: the file that --config names does not exist (correct --config"
        )


def test_an_unexpected_exception_keeps_its_traceback(llms: Llms, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(
        "from llms_core import hookimpl\n@hookimpl\ndef llms_commands(group):\n"
        "    group.command('fail')(lambda: 1 / 0)\n"
    )
    (tmp_path / "plugins.toml").write_text('[plugins]\nload = ["bad.py"]')
    with pytest.raises(ZeroDivisionError):
        llms("fail")


def test_the_schema_is_json(llms: Llms) -> None:
    schema = json.loads(llms("config", "schema").output)
    assert "providers" in json.dumps(schema)


def test_keys_hash(llms: Llms) -> None:
    """The output is an entry for `[server] keys`; it does not contain the key."""
    result = llms("keys", "hash", stdin="sk-client-1\n")
    assert result.output == f"sha256:{hashlib.sha256(b'sk-client-1').hexdigest()}\n"
    assert llms("keys", "hash", stdin="\n").exit_code == 2


@pytest.mark.parametrize(("arguments", "is_admin"), [((), False), (("--admin",), True)])
@pytest.mark.parametrize("name", ["alice", 'José\'s "second" key'])
def test_keys_new(llms: Llms, name: str, arguments: tuple[str, ...], is_admin: bool) -> None:
    """The lines are for plugins.toml, and contain the hash of the key."""
    shown = [line.strip() for line in llms("keys", "new", name, *arguments).output.splitlines()]
    key = next(line for line in shown if line.startswith("sk-llms-"))
    toml = "\n".join(shown[shown.index("For plugins.toml:") + 1 :])
    expected = ClientKey(hash=f"sha256:{hashlib.sha256(key.encode()).hexdigest()}", admin=is_admin)
    assert plugins_toml.read(toml.encode(), "plugins.toml").server.keys == {name: expected}
    assert key not in llms("keys", "new", name).output


@pytest.mark.parametrize("arguments", [["serve", "--help"], ["serve", "-h"]])
def test_serve_help_shows_the_defaults(llms: Llms, arguments: list[str]) -> None:
    """SR-002, SR-080."""
    output = llms(*arguments).output
    assert "[default: 127.0.0.1]" in output
    assert "default: 8000" in output


@pytest.mark.parametrize("arguments", [["serve", "--host", "0.0.0.0"], ["serve", "--host", "::"]])
def test_serving_on_a_public_address_requires_keys(llms: Llms, arguments: list[str]) -> None:
    result = llms(*arguments)
    assert result.exit_code == 2
    assert "--allow-anonymous" in result.stderr


def test_route_of_another_operation(llms: Llms, tmp_path: Path) -> None:
    """Fallbacks do not apply to embeddings, and a provider without them is no candidate."""
    providers = {
        "first": {"type": "voyage", "api_key": "k", "models": ["voyage-4"]},
        "second": {"type": "groq", "api_key": "k", "models": ["voyage-4", "spare"]},
    }
    (tmp_path / "llms.json").write_text(json.dumps({"providers": providers}), "utf-8")
    (tmp_path / "plugins.toml").write_text('[routing.fallbacks]\nvoyage-4 = ["spare"]\n', "utf-8")
    assert llms("route", "voyage-4", "--operation", "embeddings").output == (
        "1. first: voyage-4\n-  second: does not offer embeddings\n"
    )
    assert llms("route", "voyage-4").output == (
        "1. second: voyage-4\n2. second: spare (as the fallback spare)\n-  first: does not offer chat\n"
    )
    refused = llms("route", "spare", "--operation", "embeddings")
    assert refused.exit_code != 0
    assert "second does not offer embeddings" in refused.output
    unknown = llms("route", "spare", "--operation", "dance")
    assert unknown.exit_code == 2
    assert "unknown operation 'dance'" in unknown.output


@pytest.mark.slow
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_written(line: CommandLine, unbuffered: str) -> None:
    """On a full disk; a pipe whose reader leaves ends a command without a word."""
    line.env["PYTHONUNBUFFERED"] = unbuffered
    done = line.shell("llms config schema > /dev/full")
    assert (done.returncode, done.stderr) == (
        1,
        "llms: the output cannot be written: No space left on device\n",
    )
    assert line.shell("set +o pipefail; llms config schema | head -c 1").stderr == ""
