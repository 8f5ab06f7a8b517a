"""The gateways that are compared, and their configurations: one OpenAI-compatible provider, and two for failover.

Each function returns a `Gateway`, or raises `Missing` with the reason why this machine does not have it. For failover,
the first provider is the upstream's `/fail/v1`, which answers every request with status 500.
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
from benchmarks.processes import free_port

FAILOVER = "failover"
"""The model, or the first folder of the path, that is routed to two providers."""

LLMS_PY = "2.0.35"
ROLTER = "0.1.0"
SMG = "1.13.0"
LITELLM = "LLMS_BENCH_LITELLM"
_INSTALL_TIMEOUT = 300.0  # seconds


class Missing(Exception):
    """This machine does not have a gateway; the message is the reason."""


class Gateway(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """How a gateway is run."""

    name: str
    #: Returns the command line for a port to listen on, the upstream's origin, and a folder for its files.
    command: Callable[[int, str, Path], Sequence[str]]
    #: The members of a `Load` that select the two providers.
    failover: Mapping[str, str] = msgspec.field(default_factory=lambda: {"model": FAILOVER})
    env: Mapping[str, str] = {}
    streams: bool = True
    fails_over: bool = True


def nginx() -> Gateway:
    """Return a plain reverse proxy: the cost of passing on the same bytes without parsing them."""
    # Distributions install it in sbin, which is not on every user's PATH.
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise Missing("nginx is not installed")

    def command(port: int, upstream: str, folder: Path) -> list[str]:
        temp_paths = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in _NGINX_TEMP_KINDS)
        values = {
            "port": port,
            "upstream": upstream.removeprefix("http://"),
            "folder": folder,
            "temp_paths": temp_paths,
        }
        config = _write(folder / "nginx.conf", _NGINX.format_map(values))
        return [program, "-p", str(folder), "-c", config]

    return Gateway(
        name="nginx", command=command, failover={"path": f"/{FAILOVER}/v1/chat/completions"}
    )


# nginx creates all of these at its start, in system folders by default.
_NGINX_TEMP_KINDS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

# One process, like the other gateways; unlimited keep-alive on both sides; bodies stay in memory, streams are not
# buffered. After a 500, nginx closes the client's connection even if another location answers: its figures of failover
# include that.
_NGINX = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log error;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    {temp_paths}
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
    """Return the block `providers` of llms.json, which llms.py reads as well."""
    return {
        "failing": provider(f"{upstream}/fail/v1", FAILOVER),
        "right": provider(f"{upstream}/v1", MODEL, FAILOVER),
    }


def provider(base_url: str, *models: str) -> dict[str, Any]:
    """Return one OpenAI-compatible provider of llms.json."""
    return {
        "enabled": True,
        "type": "OpenAiProvider",
        "base_url": base_url,
        "api_key": KEY,
        "models": {model: model for model in models},
    }


def llms(
    providers: Callable[[str], dict[str, Any]] = two_providers,
    plugins: Mapping[str, str] = {},
    arguments: Sequence[str] = (),
    tables: str = "",
) -> Gateway:
    """Return this project's gateway, from the environment that runs the benchmark.

    `plugins` maps the file names of plugins to their source; `arguments` are passed to `llms serve`, and `tables` are
    further ones of plugins.toml.
    """

    def command(port: int, upstream: str, folder: Path) -> list[str]:
        for name, text in plugins.items():
            _write(folder / name, text)
        loaded = f"[plugins]\nload = {json.dumps(list(plugins))}\n"
        toml = _write(folder / "plugins.toml", loaded + tables)
        config = _write(folder / "llms.json", json.dumps({"providers": providers(upstream)}))
        return [
            sys.executable,
            "-m",
            "llms_core",
            "serve",
            "--port",
            str(port),
            "--config",
            config,
            "--plugins",
            toml,
            *arguments,
        ]

    return Gateway(name="llms", command=command)


def llms_py() -> Gateway:
    """Return llms.py, the predecessor. Its script and package have the same names, so it has its own environment."""
    program = _installed("llms-py", LLMS_PY, "llms")

    def command(port: int, upstream: str, folder: Path) -> list[str]:
        config = {
            "auth": {"enabled": False},
            "defaults": {
                "headers": {"Content-Type": "application/json"},
                "text": {"model": MODEL, "messages": []},
            },
            "providers": two_providers(upstream),
        }
        _write(folder / "ui.json", "{}")  # it does not start without this file
        path = _write(folder / "llms.json", json.dumps(config))
        return [str(program), "--config", path, "--serve", str(port)]

    return Gateway(name=f"llms.py {LLMS_PY}", command=command, streams=False)


def rolter() -> Gateway:
    """Return rolter, a gateway in Rust whose wheel contains the program."""
    program = _installed("rolter", ROLTER, "rolter")

    def command(port: int, upstream: str, folder: Path) -> list[str]:
        # It appends /v1 itself. Its queue would otherwise be the limit of what it can serve at once.
        lines = ["[server]", 'host = "127.0.0.1"', f"port = {port}"]
        lines += ["[queue]", "capacity = 4096", "workers = 512", "[retry]", "base_backoff_ms = 0"]
        for name, path in (("failing", "/fail"), ("right", "")):
            lines += [
                "[[providers]]",
                f'name = "{name}"',
                'kind = "openai_compatible"',
                f'api_base = "{upstream}{path}"',
            ]
        lines += _rolter_route(MODEL, "round_robin", {"right": 100})
        lines += _rolter_route(FAILOVER, "pipeline", {"failing": 100, "right": 1})
        return [
            str(program),
            "gateway",
            "-c",
            _write(folder / "rolter.toml", "\n".join(lines) + "\n"),
        ]

    # One thread, like the other gateways.
    return Gateway(
        name=f"rolter {ROLTER}",
        command=command,
        env={"RUST_LOG": "off", "TOKIO_WORKER_THREADS": "1"},
    )


def _rolter_route(model: str, strategy: str, weights: Mapping[str, int]) -> list[str]:
    lines = ["[[routes]]", f'model = "{model}"', f'strategy = "{strategy}"']
    for name, weight in weights.items():
        lines += [
            "[[routes.targets]]",
            f'provider = "{name}"',
            f'model = "{MODEL}"',
            f"weight = {weight}",
        ]
    return lines


def smg() -> Gateway:
    """Return Shepherd Model Gateway, a router in Rust: one server for a model, so it cannot fail over."""
    program = _installed("smg", SMG, "smg")

    def command(port: int, upstream: str, folder: Path) -> list[str]:
        arguments = [
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--backend",
            "openai",
            "--worker-urls",
            upstream,
        ]
        arguments += ["--log-level", "error", "--history-backend", "none", "--disable-health-check"]
        arguments += ["--prometheus-port", str(free_port()), "--max-concurrent-requests", "4096"]
        return [str(program), "launch", *arguments]

    env = {"TOKIO_WORKER_THREADS": "1", "OPENAI_API_KEY": KEY}
    return Gateway(name=f"smg {SMG}", command=command, env=env, fails_over=False)


def _installed(distribution: str, version: str, name: str) -> Path:
    """Return the path of a distribution's program, and install it if necessary, into an environment of its own."""
    folder = f"{distribution}-{version}-{sys.implementation.cache_tag}"
    cached = Path.home() / ".cache" / "llms-benchmarks" / folder
    program = cached / "bin" / name
    if program.is_file():
        return program
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        raise Missing("uv is needed to install it, and was not found")
    create = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(cached)]
    # Without wheels for this machine, it would have to be compiled.
    install = [uv, "pip", "install", "--quiet", "--only-binary", ":all:"]
    install += ["--python", str(cached / "bin" / "python"), f"{distribution}=={version}"]
    try:
        for command in (create, install):
            subprocess.run(command, check=True, capture_output=True, timeout=_INSTALL_TIMEOUT)
    except subprocess.CalledProcessError as error:
        raise Missing(error.stderr.decode(errors="replace").strip()) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(str(error)) from None
    return program


def litellm() -> Gateway:
    """Return LiteLLM's proxy, configured as its guide for production recommends. It has to be installed already."""
    program = os.environ.get(LITELLM) or shutil.which("litellm")
    if program is None:
        raise Missing(f"litellm is not on PATH, and {LITELLM} is not set to its path")

    def command(port: int, upstream: str, folder: Path) -> list[str]:
        models = [
            _litellm_model(MODEL, f"{upstream}/v1"),
            _litellm_model(FAILOVER, f"{upstream}/fail/v1"),
            _litellm_model("second", f"{upstream}/v1"),
        ]
        config = {
            "model_list": models,
            "litellm_settings": {"num_retries": 0, "fallbacks": [{FAILOVER: ["second"]}]},
            "general_settings": {"master_key": KEY},
        }
        path = _write(folder / "config.yaml", json.dumps(config))  # JSON is a subset of YAML
        return [
            program,
            "--config",
            path,
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--num_workers",
            "1",
        ]

    env = {
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        # Otherwise it downloads the map at its start.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    return Gateway(name="LiteLLM", command=command, env=env)


def _litellm_model(name: str, base_url: str) -> dict[str, Any]:
    return {
        "model_name": name,
        "litellm_params": {"model": f"openai/{MODEL}", "api_base": base_url, "api_key": KEY},
    }


def _write(path: Path, text: str) -> str:
    """Write a file, and return its path for a command line."""
    path.write_text(text, "utf-8")
    return str(path)


GATEWAYS: Mapping[str, Callable[[], Gateway]] = {
    "nginx": nginx,
    "llms": llms,
    "rolter": rolter,
    "smg": smg,
    "llms.py": llms_py,
    "litellm": litellm,
}
