"""Mistakes that authors of plugins make: each message names the place, and says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from llms_core.cli import main

HOOK = "from llms_core import hookimpl\n"
PROVIDER = HOOK + dedent(
    """
        from llms_core.openai_compatible import OpenAICompatible
        from llms_core.provider import ProviderSettings, ProviderSpec

        @hookimpl
        def llms_providers():
            return [ProviderSpec({members})]
        """
)


class Mistake(NamedTuple):
    """The code of a plugin, and what the message about it has to contain: where, and what to do."""

    code: str
    place: str
    fix: str
    #: Further lines of plugins.toml, and of llms.json.
    toml: str = ""
    block: str = ""


def hook(code: str) -> str:
    return f"{HOOK}\n\n@hookimpl\n{dedent(code).strip()}\n"


def provider(members: str) -> str:
    return PROVIDER.format(members=members)


def adapter(methods: str, settings: str = "") -> str:
    """A plugin with an adapter of its own."""
    code = "class Acme:\n    def __init__(self, spec, settings):\n        pass\n" + methods
    return provider(f"name='acme', title='Acme', adapter=Acme{settings}").replace(
        "@hookimpl", f"{code}\n\n@hookimpl"
    )


MISTAKES: Mapping[str, Mistake] = {
    "a syntax error": Mistake("def x(:\n", "mine.py:1", "invalid syntax"),
    "an import that fails": Mistake(
        "import does_not_exist\n", "mine.py:1", "No module named 'does_not_exist'"
    ),
    "an exit at import": Mistake("raise SystemExit(3)\n", "mine.py:1", "SystemExit"),
    "no hook": Mistake("x = 1\n", "plugin 'mine' of mine.py", "mark functions with @hookimpl"),
    "a hook that is not marked": Mistake(
        "def llms_providers():\n    return []\n", "mine.py:1", "add @hookimpl above it"
    ),
    "a misspelt hook": Mistake(
        hook("def llms_provider(): return []"), "mine.py:4", "did you mean llms_providers?"
    ),
    "a misspelt argument": Mistake(
        hook("def llms_request_finished(recrd): pass"), "mine.py:4", "did you mean 'record'?"
    ),
    "an async hook": Mistake(
        hook("async def llms_providers(): return []"), "mine.py:4", "remove `async`"
    ),
    "a hook that returns nothing": Mistake(
        hook("def llms_providers(): pass"), "llms_providers", "is there a `return`?"
    ),
    "names of providers": Mistake(
        hook("def llms_providers(): return ['acme']"),
        "llms_providers",
        "return [ProviderSpec(name=…",
    ),
    "a spec without a list": Mistake(
        provider("name='acme', title='Acme', adapter=OpenAICompatible")
        .replace("[ProviderSpec", "(ProviderSpec")
        .replace(")]", "))"),
        "llms_providers",
        "return [it]",
    ),
    "a spec without a title": Mistake(
        provider("name='acme', adapter=OpenAICompatible"),
        "mine.py",
        "Missing required argument 'title'",
    ),
    "a provider's name that is taken": Mistake(
        provider("name='openai', title='Acme', adapter=OpenAICompatible"),
        "plugin 'mine' of mine.py",
        "plugin 'presets' of llms-providers",
    ),
    "an object in place of an adapter's class": Mistake(
        provider("name='acme', title='Acme', adapter=object()"),
        "the provider 'acme': `adapter`",
        "the adapter's class",
    ),
    "settings that are no ProviderSettings": Mistake(
        provider("name='acme', title='Acme', adapter=OpenAICompatible, settings=dict"),
        "the provider 'acme': `settings`",
        "class MySettings(ProviderSettings, kw_only=True)",
    ),
    "a text in place of a tuple": Mistake(
        provider("name='acme', title='Acme', adapter=OpenAICompatible, key_env='KEY'"),
        "the provider 'acme': `key_env`",
        "the comma makes it one",
    ),
    "an adapter without methods": Mistake(
        adapter("    def request(self, call): ...\n", ", needs_key=False"),
        "mine.py",
        "without the methods completion, chunks, error",
        block='"acme": {"base_url": "http://localhost:1", "models": ["m"]}',
    ),
    "an adapter that cannot be created": Mistake(
        adapter("        self.url = settings.url\n", ", needs_key=False"),
        "mine.py",
        "has no attribute 'url'",
        block='"acme": {"base_url": "http://localhost:1", "models": ["m"]}',
    ),
    "a middleware that is not async": Mistake(
        HOOK
        + "def around(call, forward): ...\n@hookimpl\ndef llms_middleware(): return [around]\n",
        "mine.py:2",
        "write `async def around(call, forward)`",
    ),
    "a middleware with other arguments": Mistake(
        HOOK + "async def around(call): ...\n@hookimpl\ndef llms_middleware(): return [around]\n",
        "mine.py:2",
        "does not take `(call, forward)`",
    ),
    "a middleware's class": Mistake(
        HOOK + "class Around:\n    async def __call__(self, call, forward): ...\n"
        "@hookimpl\ndef llms_middleware(): return [Around]\n",
        "llms_middleware",
        "return [Around()]",
    ),
    "a middleware without a list": Mistake(
        HOOK
        + "async def around(call, forward): ...\n@hookimpl\ndef llms_middleware(): return around\n",
        "llms_middleware",
        "instead of a list of async callables",
    ),
    "a hook that raises": Mistake(
        hook("def llms_middleware(): return [1 / 0]"), "mine.py:5", "division by zero"
    ),
    "a route that is none": Mistake(
        hook("def llms_routes(): return ['/x']"), "llms_routes", "put @get, @post"
    ),
    "routes that raise": Mistake(
        hook("def llms_routes(): raise ValueError('no database')"), "mine.py:5", "no database"
    ),
    "a route without a type": Mistake(
        HOOK
        + "from litestar import get\n@get('/a')\nasync def a(): ...\n@hookimpl\ndef llms_routes(): return [a]\n",
        "llms_plugin_mine.a",
        "should be type annotated",
    ),
    "a public route that there is not": Mistake(
        HOOK + "from litestar import get\n@get('/a', name='a')\nasync def a() -> str: ...\n"
        "@hookimpl\ndef llms_routes(): return [a]\n@hookimpl\ndef llms_public_routes(): return {'b'}\n",
        "llms_public_routes",
        "no route has the name 'b', only: a",
    ),
    "a lifespan that is none": Mistake(
        hook("def llms_lifespan(): return 1"), "llms_lifespan", "@asynccontextmanager"
    ),
    "a lifespan without its decorator": Mistake(
        hook("async def llms_lifespan():\n    yield"), "mine.py:4", "@asynccontextmanager"
    ),
    "a command that is taken": Mistake(
        HOOK + "@hookimpl\ndef llms_commands(group):\n    @group.command()\n    def serve(): ...\n",
        "llms_commands: the command 'serve'",
        "give it another name",
    ),
    "an operation that is none": Mistake(
        hook("def llms_operations(): return ['chat']"), "llms_operations", "instead of an Operation"
    ),
    "a path of a dialect that is taken": Mistake(
        HOOK
        + "from llms_core.config.model import PluginsToml\nfrom llms_core.dialects.table import dialects\n"
        "@hookimpl\ndef llms_dialects():\n    return [d for d in dialects(PluginsToml()) if d.name == 'messages']\n",
        "llms_dialects: the path /v1/messages",
        "is already taken",
    ),
    "a setting that the plugin does not know": Mistake(
        HOOK + "import msgspec\nclass S(msgspec.Struct):\n    url: str = ''\n"
        "@hookimpl\ndef llms_configure(settings): settings.decode(S)\n",
        "plugins.toml:4: plugin.mine.urll",
        "did you mean 'url'?",
        toml="[plugin.mine]\nurll = 'x'\n",
    ),
    "a setting that is missing": Mistake(
        HOOK + "import msgspec\nclass S(msgspec.Struct):\n    token: str\n"
        "@hookimpl\ndef llms_configure(settings): settings.decode(S)\n",
        "plugins.toml: plugin.mine",
        "`token` is missing",
    ),
    "a setting of another type": Mistake(
        HOOK + "import msgspec\nclass S(msgspec.Struct):\n    limit: int\n"
        "@hookimpl\ndef llms_configure(settings): settings.decode(S)\n",
        "plugins.toml:4: plugin.mine.limit",
        "Expected `int`",
        toml="[plugin.mine]\nlimit = 'many'\n",
    ),
    "settings for a plugin that is not installed": Mistake(
        hook("def llms_request_finished(): pass"),
        "plugins.toml:3: plugin.gaurd: no plugin 'gaurd' is installed; did you mean 'guard'?",
        'fail = "open"',
        toml="[plugin.gaurd]\ndeny = ['secret']\n",
    ),
    "an authenticator with a misspelt argument": Mistake(
        hook("def llms_authenticate(header): return None"), "mine.py:4", "did you mean 'headers'?"
    ),
}


def test_there_are_many() -> None:
    assert len(MISTAKES) >= 30


@pytest.mark.parametrize("name", MISTAKES)
def test_the_message_names_the_place_and_what_to_do(name: str, tmp_path: Path) -> None:
    """As `llms plugins doctor` reports it, which does what a start of the server does."""
    mistake = MISTAKES[name]
    (tmp_path / "mine.py").write_text(mistake.code, "utf-8")
    (tmp_path / "plugins.toml").write_text(
        f"[plugins]\nload = ['mine.py']\n{mistake.toml}", "utf-8"
    )
    (tmp_path / "llms.json").write_text(f'{{"providers": {{{mistake.block}}}}}', "utf-8")
    files = ["--config", str(tmp_path / "llms.json"), "--plugins", str(tmp_path / "plugins.toml")]
    result = CliRunner().invoke(main, [*files, "plugins", "doctor"], prog_name="llms")
    assert result.exit_code == 1, result.output
    about = [line for line in result.output.splitlines() if mistake.fix in line]
    assert about, result.output
    assert mistake.place in about[0]
