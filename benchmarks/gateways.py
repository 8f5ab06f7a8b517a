"""The gateways that are compared, and how each is configured: one OpenAI-compatible provider, and two for failover.

Each function gives a `Gateway`, or raises `Missing` with the reason why there is none on this machine. For failover
the first provider is the upstream's `/fail/v1`, which answers 500 to everything.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.plan import KEY, MODEL

FAILOVER = "failover"
"""The model, or the folder of the path, that goes to two providers."""

LLMS_PY = "2.0.35"
LITELLM = "LLMS_BENCH_LITELLM"
_INSTALLING = 300.0  # seconds


class Missing(Exception):
    """A gateway that cannot be had here, and why."""


class Gateway(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """How a gateway is run.

    `command` takes the port to listen on, the upstream's origin and a folder for its files. `failover` is what of a
    `Load` has to be different for the two providers.
    """

    name: str
    command: Callable[[int, str, Path], Sequence[str]]
    failover: Mapping[str, str] = msgspec.field(default_factory=lambda: {"model": FAILOVER})
    env: Mapping[str, str] = {}
    streams: bool = True


def nginx() -> Gateway:
    """A plain reverse proxy: what the same bytes cost without being understood."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise Missing("nginx is not installed")

    def command(port: int, upstream: str, folder: Path) -> list[str]:
        temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in _NGINX_TEMPORARY)
        values = {"port": port, "upstream": upstream.removeprefix("http://"), "folder": folder, "temporary": temporary}
        return [program, "-p", str(folder), "-c", _written(folder / "nginx.conf", _NGINX.format_map(values))]

    return Gateway(name="nginx", command=command, failover={"path": f"/{FAILOVER}/v1/chat/completions"})


_NGINX_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
# One process, as the others; keep-alive without end on both sides; bodies stay in memory, streams are not held back.
# (After a 500 nginx closes the client's connection, even where another location answers: failover has that in it.)
_NGINX = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log error;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    {temporary}
    keepalive_requests 100000000;
    client_max_body_size 0;
    client_body_buffer_size 1m;
    upstream provider {{ server {upstream}; keepalive 1024; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        proxy_http_version 1.1;
        proxy_set_header connection "";
        proxy_buffering off;
        location /v1/ {{ proxy_pass http://provider; }}
        location /failover/ {{
            proxy_pass http://provider/fail/;
            proxy_intercept_errors on;
            error_page 500 = @second;
        }}
        location @second {{
            rewrite ^/failover(/.*)$ $1 break;
            proxy_pass http://provider;
        }}
    }}
}}
"""


def two_providers(upstream: str) -> dict[str, Any]:
    """The block `providers` of llms.json, which llms.py reads as well."""
    return {
        "failing": provider(f"{upstream}/fail/v1", FAILOVER),
        "right": provider(f"{upstream}/v1", MODEL, FAILOVER),
    }


def provider(base_url: str, *models: str) -> dict[str, Any]:
    """One OpenAI-compatible provider of llms.json."""
    names = {model: model for model in models}
    return {"enabled": True, "type": "OpenAiProvider", "base_url": base_url, "api_key": KEY, "models": names}


def llms(
    providers: Callable[[str], dict[str, Any]] = two_providers,
    plugins: Mapping[str, str] = {},
    arguments: Sequence[str] = (),
) -> Gateway:
    """This project's gateway, out of the environment that runs this. `plugins` are one-file plugins, name to text."""

    def command(port: int, upstream: str, folder: Path) -> list[str]:
        for name, text in plugins.items():
            _written(folder / name, text)
        toml = _written(folder / "plugins.toml", f"[plugins]\nload = {json.dumps(list(plugins))}\n")
        config = _written(folder / "llms.json", json.dumps({"providers": providers(upstream)}))
        serve = [sys.executable, "-m", "llms_core", "serve", "--port", str(port), "--config", config]
        return [*serve, "--plugins", toml, *arguments]

    return Gateway(name="llms", command=command)


def llms_py() -> Gateway:
    """The predecessor. Its script and its package are called as ours are: it has an environment of its own."""
    program = _llms_py_program()

    def command(port: int, upstream: str, folder: Path) -> list[str]:
        defaults = {"headers": {"Content-Type": "application/json"}, "text": {"model": MODEL, "messages": []}}
        config = {"auth": {"enabled": False}, "defaults": defaults, "providers": two_providers(upstream)}
        _written(folder / "ui.json", "{}")  # it does not serve without one
        return [str(program), "--config", _written(folder / "llms.json", json.dumps(config)), "--serve", str(port)]

    return Gateway(name=f"llms.py {LLMS_PY}", command=command, streams=False)


def _llms_py_program() -> Path:
    """llms.py's script, installed at its first use."""
    cached = Path.home() / ".cache" / "llms-benchmarks" / f"llms-py-{LLMS_PY}-{sys.implementation.cache_tag}"
    program = cached / "bin" / "llms"
    if program.is_file():
        return program
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        raise Missing("it takes uv to install it, and there is none")
    make = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(cached)]
    install = [uv, "pip", "install", "--quiet", "--python", str(cached / "bin" / "python"), f"llms-py=={LLMS_PY}"]
    try:
        for command in (make, install):
            subprocess.run(command, check=True, capture_output=True, timeout=_INSTALLING)
    except subprocess.CalledProcessError as error:
        raise Missing(error.stderr.decode(errors="replace").strip()) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(str(error)) from None
    return program


def litellm() -> Gateway:
    """LiteLLM's proxy as its guide for production has it, where it is installed already; it is not installed here."""
    program = os.environ.get(LITELLM) or shutil.which("litellm")
    if program is None:
        raise Missing(f"no litellm on PATH, and {LITELLM} does not name one")

    def command(port: int, upstream: str, folder: Path) -> list[str]:
        def model(name: str, base_url: str) -> dict[str, Any]:
            return {
                "model_name": name,
                "litellm_params": {"model": f"openai/{MODEL}", "api_base": base_url, "api_key": KEY},
            }

        models = [
            model(MODEL, f"{upstream}/v1"),
            model(FAILOVER, f"{upstream}/fail/v1"),
            model("second", f"{upstream}/v1"),
        ]
        config = {
            "model_list": models,
            "litellm_settings": {"num_retries": 0, "fallbacks": [{FAILOVER: ["second"]}]},
            "general_settings": {"master_key": KEY},
        }
        written = _written(folder / "config.yaml", json.dumps(config))  # JSON is YAML
        return [program, "--config", written, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]

    env = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    return Gateway(name="LiteLLM", command=command, env=env)


def _written(path: Path, text: str) -> str:
    path.write_text(text, "utf-8")
    return str(path)


GATEWAYS: Mapping[str, Callable[[], Gateway]] = {"nginx": nginx, "llms": llms, "llms.py": llms_py, "litellm": litellm}
