"""Which proxy a request goes through, by curl's rules."""

from __future__ import annotations

import pytest

from llms_core.upstream.proxy import NoProxy, Proxy, ProxyRules
from llms_core.upstream.url import parse_url

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("REQUEST_METHOD", raising=False)


def selected(url: str, configured: str | None = None) -> str | None:
    proxy = ProxyRules(configured).select(parse_url(url))
    return str(proxy) if proxy is not None else None


HTTP = "http://api.example/v1"
HTTPS = "https://api.example/v1"

ENVIRONMENTS: list[tuple[dict[str, str], str | None, str | None]] = [
    ({}, None, None),
    ({"HTTP_PROXY": "http://a:1"}, "http://a:1", None),
    ({"HTTPS_PROXY": "http://a:1"}, None, "http://a:1"),
    ({"ALL_PROXY": "http://a:1"}, "http://a:1", "http://a:1"),
    ({"all_proxy": "http://a:1", "ALL_PROXY": "http://b:2"}, "http://a:1", "http://a:1"),
    ({"http_proxy": "http://a:1", "HTTP_PROXY": "http://b:2"}, "http://a:1", None),
    ({"https_proxy": "http://a:1", "ALL_PROXY": "http://b:2"}, "http://b:2", "http://a:1"),
    ({"http_proxy": "", "HTTP_PROXY": "http://b:2"}, "http://b:2", None),
    ({"HTTPS_PROXY": "", "ALL_PROXY": "http://b:2"}, "http://b:2", "http://b:2"),
    ({"ALL_PROXY": "socks5://a:1"}, "socks5://a:1", "socks5://a:1"),
    ({"ALL_PROXY": "http://a:1", "NO_PROXY": "api.example"}, None, None),
    ({"ALL_PROXY": "http://a:1", "no_proxy": "*"}, None, None),
    ({"ALL_PROXY": "http://a:1", "no_proxy": "api.example:80"}, None, "http://a:1"),
    ({"ALL_PROXY": "http://a:1", "no_proxy": "api.example:443"}, "http://a:1", None),
    # A CGI script's HTTP_PROXY is the client's header.
    ({"HTTP_PROXY": "http://a:1", "REQUEST_METHOD": "GET"}, None, None),
    ({"http_proxy": "http://a:1", "REQUEST_METHOD": "GET"}, "http://a:1", None),
]


@pytest.mark.parametrize(("variables", "for_http", "for_https"), ENVIRONMENTS)
def test_the_environment_selects_the_proxy(
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    for_http: str | None,
    for_https: str | None,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (selected(HTTP), selected(HTTPS)) == (for_http, for_https)


def test_the_configured_proxy_takes_precedence_except_for_hosts_of_no_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://a:1")
    monkeypatch.setenv("NO_PROXY", "localhost")
    assert selected(HTTPS, "http://b:2") == selected(HTTP, "http://b:2") == "http://b:2"
    assert selected("http://localhost:11434/v1", "http://b:2") is None


NO_PROXY = [
    ("api.example", "api.example", True),
    ("api.example", "API.Example.", True),
    ("API.EXAMPLE", "api.example", True),
    ("example", "api.example", True),
    (".example", "api.example", True),
    ("*.example", "api.example", True),
    ("pi.example", "api.example", False),
    ("api.example.com", "api.example", False),
    ("a, b  api.example", "api.example", True),
    ("", "api.example", False),
    (" , ,", "api.example", False),
    (".", "api.example", False),
    ("x,*", "api.example", True),
    ("10.0.0.1", "10.0.0.1", True),
    ("10.0.0.0/8", "10.1.2.3", True),
    ("10.0.0.1/8", "10.1.2.3", True),
    ("10.0.0.0/8", "11.1.2.3", False),
    ("0.0.1", "10.0.0.1", False),
    ("::1", "::1", True),
    ("[::1]", "::1", True),
    ("[::1]:80", "::1", True),
    ("[::1]:81", "::1", False),
    ("fd00::/8", "fd12::1", True),
    ("10.0.0.0/8", "::1", False),
    ("api.example:80", "api.example", True),
    ("api.example:81", "api.example", False),
    ("*:80", "api.example", True),
    ("10.0.0.1:80", "10.0.0.1", True),
]


@pytest.mark.parametrize(("text", "host", "expected"), NO_PROXY)
def test_hosts_of_no_proxy(text: str, host: str, expected: bool) -> None:
    assert NoProxy(text).matches(host, 80) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://a:3128", ("http", "a", 3128, "", "")),
        ("a:3128", ("http", "a", 3128, "", "")),
        ("a", ("http", "a", 1080, "", "")),
        ("http://a", ("http", "a", 1080, "", "")),
        ("https://a", ("https", "a", 443, "", "")),
        ("socks5h://a", ("socks5h", "a", 1080, "", "")),
        ("http://us%40er:p%3A%40ss@[::1]:1/", ("http", "::1", 1, "us@er", "p:@ss")),
    ],
)
def test_the_url_of_a_proxy(text: str, expected: tuple[str, str, int, str, str]) -> None:
    proxy = Proxy.parse(text)
    assert (proxy.scheme, proxy.host, proxy.port, proxy.username, proxy.password) == expected
    assert "p:@ss" not in f"{proxy} {proxy!r}"


@pytest.mark.parametrize(
    "text",
    ["ftp://a:1", "http://", "http://a:port", "http://:secret@", "http://a b:1", "u:secret/x@a:1"],
)
def test_an_invalid_proxy_is_an_error_without_its_password(text: str) -> None:
    with pytest.raises(ValueError, match="The proxy's URL") as caught:
        Proxy.parse(text)
    assert "secret" not in str(caught.value)
