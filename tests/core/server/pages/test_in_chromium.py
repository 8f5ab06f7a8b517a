"""The pages in a real browser, without a network: with and without keys, light and dark, on a phone, by keyboard."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import npm
import pytest
from browser import DESKTOP, PHONE, Visit, chromium
from playwright.sync_api import Browser, expect

from llms_core.testing import ScriptedUpstream, completion, error
from tests.conftest import MARK
from tests.core.server.conftest import NO_RETRIES, Asking, Pair, running

pytestmark = pytest.mark.slow

KEY = "sk-of-ada"
KEYS = f'[server.keys]\nada = "sha256:{hashlib.sha256(KEY.encode()).hexdigest()}"\n'
HOSTILE = "<img src=x onerror=alert(1)>"
SETTINGS = f"{NO_RETRIES}[routing.breaker]\nfailures = 2\n"

Visiting = Callable[..., Visit]


def several(upstream: ScriptedUpstream) -> dict[str, Any]:
    """An llms.json with something for every part of the status page."""
    usual = {"type": "openai-compatible", "base_url": upstream.base_url, "api_key": f"{MARK}1"}
    models = {
        "m": "up-m",
        HOSTILE: HOSTILE,
        **{f"model-{number}": f"up-{number}" for number in range(30)},
    }
    return {
        "providers": {
            "failing": {
                **usual,
                "base_url": f"{upstream.base_url}/failing",
                "models": {"m": "bad-m"},
            },
            "working": {**usual, "models": models},
            HOSTILE: {**usual, "models": {"other": "other"}},
            "switched-off": {**usual, "enabled": False},
            "groq": {"type": "groq", "api_key": "$NO_SUCH_API_KEY"},
        }
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def open_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A gateway without keys, which has served requests."""
    with running(tmp_path_factory.mktemp("open"), SETTINGS, several) as pair:
        ask_for_some(pair, {})
        yield pair


@pytest.fixture(scope="module")
def closed_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A gateway with keys, which has served requests."""
    with running(tmp_path_factory.mktemp("closed"), SETTINGS + KEYS, several) as pair:
        ask_for_some(pair, {"authorization": f"Bearer {KEY}"})
        yield pair


def ask_for_some(pair: Pair, headers: dict[str, str]) -> None:
    """Make requests of every kind: served at once, after a failure, for a model that nobody has."""
    pair.upstream.routes["/failing/v1/chat/completions"] = error(500)
    pair.upstream.routes["/failing/chat/completions"] = error(500)
    pair.upstream.default = completion("Hello!")
    ask = Asking(pair.gateway)
    for model in ("m", "m", "m", HOSTILE, "no-such-model"):
        ask.chat(headers, model=model)
    ask.http.close()


@pytest.fixture
def visiting(browser: Browser) -> Iterator[Visiting]:
    """Opens windows; none of them may have had a problem in the end."""
    with ExitStack() as windows:
        visits: list[Visit] = []

        def visit(pair: Pair, **options: Any) -> Visit:
            visits.append(Visit(browser, pair.gateway.origin, **options))
            windows.callback(visits[-1].close)
            return visits[-1]

        yield visit
        problems = [problem for each in visits for problem in each.problems]
    assert problems == []


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, which checks accessibility."""
    folder = npm.folder_with(tmp_path_factory, "axe-core")
    return (folder / "node_modules/axe-core/axe.min.js").read_text("utf-8")


def sign_in(visit: Visit, path: str) -> None:
    page = visit.open(path)
    page.get_by_label("Key of this server").fill(KEY)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def open_everything(visit: Visit) -> None:
    """Open what is collapsed, so that it is checked, too."""
    for summary in visit.page.locator("main summary").all()[:8]:
        if summary.is_visible():
            summary.click()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_is_accessible_and_fits(
    visiting: Visiting, open_pair: Pair, axe: str, path: str, scheme: str, size: dict[str, int]
) -> None:
    visit = visiting(open_pair, scheme=scheme, size=size)
    expect(visit.open(path).locator("main summary").first).to_be_visible()
    open_everything(visit)
    assert visit.violations(axe) == []
    assert not visit.scrolls_sideways()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/docs"])
def test_with_keys_one_signs_in_and_the_page_is_accessible(
    visiting: Visiting, closed_pair: Pair, axe: str, path: str, scheme: str
) -> None:
    visit = visiting(closed_pair, scheme=scheme, size=PHONE)
    visit.open(path)
    assert visit.violations(axe) == []
    sign_in(visit, path)
    assert visit.violations(axe) == []
    assert not visit.scrolls_sideways()
    visit.page.get_by_role("button", name="Sign out").click()
    expect(visit.page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_wrong_key_is_explained(browser: Browser, closed_pair: Pair, axe: str) -> None:
    visit = Visit(browser, closed_pair.gateway.origin)
    visit.open("/").get_by_label("Key of this server").fill("sk-of-eve")
    visit.page.keyboard.press("Enter")
    expect(visit.page.get_by_role("alert")).to_have_text("This is not a key of this server.")
    assert visit.violations(axe) == []
    # Chromium reports every page with such a status.
    assert [problem for problem in visit.problems if "401" not in problem] == []
    visit.close()


def test_the_page_is_updated_while_it_is_open_and_keeps_what_the_user_does(
    visiting: Visiting, open_pair: Pair
) -> None:
    page = visiting(open_pair).open("/")
    provider = page.locator("summary", has_text="working")
    provider.click()
    expect(page.get_by_text("model-7", exact=True)).to_be_visible()
    provider.focus()
    ask = Asking(open_pair.gateway)
    ask.chat(model="model-7")
    expect(page.locator(".requests .name").first).to_have_text("model-7")
    # The providers are another part, whose circuits have changed.
    expect(
        page.locator(".circuits", has_text="up-7").or_(page.locator("td", has_text="up-7"))
    ).to_be_visible()
    expect(page.locator("details[open] > summary", has_text="working")).to_be_focused()
    page.get_by_role("button", name="Pause updates").click()
    expect(page.get_by_role("button", name="Resume updates")).to_be_focused()
    ask.http.close()


def test_the_command_is_copied(visiting: Visiting, open_pair: Pair) -> None:
    visit = visiting(open_pair)
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=visit.origin)
    page = visit.open("/")
    page.get_by_role("button", name="Copy: A first request").click()
    expect(page.locator("[data-copies=curl]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#curl").text_content()


def test_without_scripts_the_status_page_shows_everything(
    visiting: Visiting, open_pair: Pair
) -> None:
    page = visiting(open_pair, has_scripts=False).open("/")
    expect(page.locator(".providers .name").first).to_have_text("failing")
    expect(page.locator(".requests > li").first).to_be_visible()
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)


def test_a_hostile_name_is_text(visiting: Visiting, open_pair: Pair) -> None:
    page = visiting(open_pair).open("/")
    expect(page.locator(".providers .name", has_text="onerror")).to_have_text(HOSTILE)
    assert page.locator("main img").count() == 0


def test_the_pages_can_be_used_by_keyboard_alone(visiting: Visiting, open_pair: Pair) -> None:
    page = visiting(open_pair).open("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    disabled = page.locator("summary", has_text="Not enabled")
    for _ in range(30):
        page.keyboard.press("Tab")
        if disabled.evaluate("each => each === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_text("llms enable switched-off")).to_be_visible()


def test_an_example_runs(visiting: Visiting, open_pair: Pair) -> None:
    page = visiting(open_pair).open("/docs")
    page.locator("summary", has_text="/v1/chat/completions").click()
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".trial .state")).to_contain_text("200")
    expect(page.get_by_label("The body of the answer")).to_contain_text("Hello!")


def test_an_example_runs_with_a_key_that_is_kept_nowhere(
    visiting: Visiting, closed_pair: Pair
) -> None:
    visit = visiting(closed_pair)
    sign_in(visit, "/docs")
    page = visit.page
    page.get_by_label("Key", exact=True).fill(KEY)
    page.locator("summary", has_text="/v1/chat/completions").click()
    command = page.get_by_label("As a command: ")
    expect(command).to_contain_text("Authorization: Bearer $LLMS_KEY")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_label("The body of the answer")).to_contain_text("Hello!")
    kept = page.evaluate(
        "[JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie]"
    )
    assert kept == ["{}", "{}", ""]
    assert all(KEY not in str(cookie) for cookie in visit.context.cookies())
    page.reload()
    expect(page.get_by_label("Key", exact=True)).to_have_value("")


def test_every_operation_can_be_opened(visiting: Visiting, open_pair: Pair) -> None:
    page = visiting(open_pair).open("/docs")
    expect(page.locator("details.operation").first).to_be_visible()
    page.evaluate(
        "document.querySelectorAll('details.operation').forEach((each) => { each.open = true })"
    )
    expect(page.locator(".trial")).to_have_count(page.locator("details.operation").count())
    regions = page.locator("[role=region]").evaluate_all(
        "(all) => all.map((each) => each.ariaLabel)"
    )
    assert len(regions) == len(set(regions))
