"""Costs that were calculated by hand from the pages on which providers state their prices.

Each row has the day of the request, what was counted, the cost in USD, how it was calculated (counts x USD per million
tokens, unless stated otherwise), and the address of the page.

The prices were compared with stored copies of the pages, most of them from another day than the row's. Where there is
none (o3 in May 2025, Groq's models for text, Mistral, Cohere, Grok 4, Together), at least two others state them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from llms_core.contracts.token_counts import Tokens
from llms_core.prices.book import PriceBook
from llms_core.prices.rates import amount

OPENAI = "https://api.openai.com/v1"
ANTHROPIC = "https://api.anthropic.com"
GOOGLE = "https://generativelanguage.googleapis.com/v1beta"
DEEPSEEK = "https://api.deepseek.com"
GROQ = "https://api.groq.com/openai/v1"
MISTRAL = "https://api.mistral.ai/v1"
COHERE = "https://api.cohere.com"
XAI = "https://api.x.ai/v1"
TOGETHER = "https://api.together.xyz/v1"

OPENAI_PAGE = "https://platform.openai.com/docs/pricing"
ANTHROPIC_PAGE = "https://platform.claude.com/docs/en/about-claude/pricing"
GOOGLE_PAGE = "https://ai.google.dev/gemini-api/docs/pricing"
DEEPSEEK_PAGE = "https://api-docs.deepseek.com/quick_start/pricing-details-usd"
GROQ_PAGE = "https://groq.com/pricing"
MISTRAL_PAGE = "https://mistral.ai/pricing"
COHERE_PAGE = "https://cohere.com/pricing"
XAI_PAGE = "https://docs.x.ai/docs/models"
TOGETHER_PAGE = "https://www.together.ai/pricing"


class Golden(NamedTuple):
    """One answer, and what it costs."""

    url: str
    model: str
    day: str
    tokens: Tokens
    cost: str
    calculation: str
    page: str


GOLDEN = (
    Golden(
        OPENAI,
        "gpt-4o",
        "2025-06-01",
        Tokens(input=1000, output=500),
        "0.0075",
        "1_000 x 2.5 + 500 x 10",
        OPENAI_PAGE,
    ),
    Golden(
        OPENAI,
        "gpt-4o-2024-08-06",
        "2025-06-01",
        Tokens(input=10_000, cached=8000, output=250),
        "0.0175",
        "2_000 x 2.5 + 8_000 x 1.25 + 250 x 10",
        OPENAI_PAGE,
    ),
    Golden(
        OPENAI,
        "gpt-4o-mini",
        "2025-06-01",
        Tokens(input=123_456, output=7890),
        "0.0232524",
        "123_456 x 0.15 + 7_890 x 0.6",
        OPENAI_PAGE,
    ),
    Golden(
        OPENAI,
        "gpt-4o-mini",
        "2025-06-01",
        Tokens(input=2048, cached=1024, output=1),
        "0.000231",
        "1_024 x 0.15 + 1_024 x 0.075 + 1 x 0.6",
        OPENAI_PAGE,
    ),
    Golden(
        OPENAI,
        "gpt-4.1",
        "2025-06-01",
        Tokens(input=50_000, cached=40_000, output=3000),
        "0.064",
        "10_000 x 2 + 40_000 x 0.5 + 3_000 x 8",
        OPENAI_PAGE,
    ),
    Golden(
        OPENAI,
        "gpt-4.1-mini",
        "2025-06-01",
        Tokens(input=700, output=90),
        "0.000424",
        "700 x 0.4 + 90 x 1.6",
        OPENAI_PAGE,
    ),
    Golden(
        OPENAI,
        "gpt-4.1-nano",
        "2025-06-01",
        Tokens(input=1_000_000, output=1_000_000),
        "0.5",
        "1_000_000 x 0.1 + 1_000_000 x 0.4",
        OPENAI_PAGE,
    ),
    Golden(
        OPENAI,
        "gpt-4-turbo",
        "2025-06-01",
        Tokens(input=1500, output=300),
        "0.024",
        "1_500 x 10 + 300 x 30",
        OPENAI_PAGE,
    ),
    Golden(
        OPENAI,
        "gpt-3.5-turbo",
        "2025-06-01",
        Tokens(input=4000, output=1000),
        "0.0035",
        "4_000 x 0.5 + 1_000 x 1.5",
        OPENAI_PAGE,
    ),
    Golden(
        OPENAI,
        "o1",
        "2025-06-01",
        Tokens(input=3000, cached=1000, output=12_000, reasoning=11_000),
        "0.7575",
        "2_000 x 15 + 1_000 x 7.5 + 12_000 x 60",
        OPENAI_PAGE,
    ),
    Golden(
        OPENAI,
        "o3",
        "2025-07-01",
        Tokens(input=3000, output=2000, reasoning=1900),
        "0.022",
        "3_000 x 2 + 2_000 x 8",
        OPENAI_PAGE,
    ),
    Golden(
        OPENAI,
        "o3",
        "2025-05-01",
        Tokens(input=3000, output=2000, reasoning=1900),
        "0.11",
        "3_000 x 10 + 2_000 x 40",
        OPENAI_PAGE,
    ),
    Golden(
        OPENAI,
        "o4-mini",
        "2025-07-01",
        Tokens(input=8192, cached=4096, output=512),
        "0.0078848",
        "4_096 x 1.1 + 4_096 x 0.275 + 512 x 4.4",
        OPENAI_PAGE,
    ),
    Golden(
        OPENAI,
        "gpt-5",
        "2025-09-01",
        Tokens(input=20_000, cached=15_000, output=1000),
        "0.018125",
        "5_000 x 1.25 + 15_000 x 0.125 + 1_000 x 10",
        OPENAI_PAGE,
    ),
    Golden(
        OPENAI,
        "gpt-5-mini",
        "2025-09-01",
        Tokens(input=20_000, output=1000),
        "0.007",
        "20_000 x 0.25 + 1_000 x 2",
        OPENAI_PAGE,
    ),
    Golden(
        OPENAI,
        "gpt-5-nano",
        "2025-09-01",
        Tokens(input=20_000, cached=20_000, output=1000),
        "0.0005",
        "20_000 x 0.005 + 1_000 x 0.4",
        OPENAI_PAGE,
    ),
    Golden(
        OPENAI,
        "text-embedding-3-small",
        "2025-06-01",
        Tokens(input=8191),
        "0.00016382",
        "8_191 x 0.02",
        OPENAI_PAGE,
    ),
    Golden(
        OPENAI,
        "text-embedding-3-large",
        "2025-06-01",
        Tokens(input=8191),
        "0.00106483",
        "8_191 x 0.13",
        OPENAI_PAGE,
    ),
    Golden(
        OPENAI,
        "whisper-1",
        "2025-06-01",
        Tokens(seconds=90),
        "0.009",
        "1.5 min x 0.006",
        OPENAI_PAGE,
    ),
    Golden(
        OPENAI,
        "gpt-image-1",
        "2025-06-01",
        Tokens(input=120, output=1056, images=1),
        "0.04284",
        "120 x 5 + 1_056 x 40",
        OPENAI_PAGE,
    ),
    Golden(
        OPENAI,
        "gpt-image-1",
        "2025-06-01",
        Tokens(input=500, image_input=400, output=1056, images=1),
        "0.04674",
        "100 x 5 + 400 x 10 + 1_056 x 40",
        OPENAI_PAGE,
    ),
    Golden(
        ANTHROPIC,
        "claude-sonnet-4-5",
        "2025-11-01",
        Tokens(input=1000, output=500),
        "0.0105",
        "1_000 x 3 + 500 x 15",
        ANTHROPIC_PAGE,
    ),
    Golden(
        ANTHROPIC,
        "claude-sonnet-4-5-20250929",
        "2025-11-01",
        Tokens(input=12_000, cached=10_000, cache_write=1500, output=800),
        "0.022125",
        "500 x 3 + 10_000 x 0.3 + 1_500 x 3.75 + 800 x 15",
        ANTHROPIC_PAGE,
    ),
    Golden(
        ANTHROPIC,
        "claude-sonnet-4-5",
        "2025-11-01",
        Tokens(input=12_000, cache_write=9000, cache_write_1h=6000, output=800),
        "0.06825",
        "3_000 x 3 + 3_000 x 3.75 + 6_000 x 6 + 800 x 15",
        ANTHROPIC_PAGE,
    ),
    Golden(
        ANTHROPIC,
        "claude-sonnet-4-5",
        "2025-11-01",
        Tokens(input=250_000, output=1000),
        "1.5225",
        "250_000 x 6 + 1_000 x 22.5",
        ANTHROPIC_PAGE,
    ),
    Golden(
        ANTHROPIC,
        "claude-sonnet-4-5",
        "2025-11-01",
        Tokens(input=1000, output=500, searches=3),
        "0.0405",
        "1_000 x 3 + 500 x 15 + 3 searches x 10_000",
        ANTHROPIC_PAGE,
    ),
    Golden(
        ANTHROPIC,
        "claude-sonnet-4-20250514",
        "2025-11-01",
        Tokens(input=700, output=70),
        "0.00315",
        "700 x 3 + 70 x 15",
        ANTHROPIC_PAGE,
    ),
    Golden(
        ANTHROPIC,
        "claude-opus-4-1",
        "2025-11-01",
        Tokens(input=2000, cached=1000, output=300),
        "0.039",
        "1_000 x 15 + 1_000 x 1.5 + 300 x 75",
        ANTHROPIC_PAGE,
    ),
    Golden(
        ANTHROPIC,
        "claude-opus-4-5",
        "2026-01-15",
        Tokens(input=2000, cache_write=500, output=300),
        "0.018125",
        "1_500 x 5 + 500 x 6.25 + 300 x 25",
        ANTHROPIC_PAGE,
    ),
    Golden(
        ANTHROPIC,
        "claude-opus-4-6",
        "2026-05-07",
        Tokens(input=10_000, cached=5000, output=2500),
        "0.09",
        "5_000 x 5 + 5_000 x 0.5 + 2_500 x 25",
        ANTHROPIC_PAGE,
    ),
    Golden(
        ANTHROPIC,
        "claude-haiku-4-5",
        "2025-11-01",
        Tokens(input=4096, output=1024),
        "0.009216",
        "4_096 x 1 + 1_024 x 5",
        ANTHROPIC_PAGE,
    ),
    Golden(
        ANTHROPIC,
        "claude-3-5-haiku-20241022",
        "2025-06-01",
        Tokens(input=4096, cached=2048, output=1024),
        "0.00589824",
        "2_048 x 0.8 + 2_048 x 0.08 + 1_024 x 4",
        ANTHROPIC_PAGE,
    ),
    Golden(
        ANTHROPIC,
        "claude-3-haiku-20240307",
        "2025-06-01",
        Tokens(input=1000, output=1000),
        "0.0015",
        "1_000 x 0.25 + 1_000 x 1.25",
        ANTHROPIC_PAGE,
    ),
    Golden(
        GOOGLE,
        "gemini-2.5-pro",
        "2026-01-08",
        Tokens(input=200_000, output=1000),
        "0.26",
        "200_000 x 1.25 + 1_000 x 10",
        GOOGLE_PAGE,
    ),
    Golden(
        GOOGLE,
        "gemini-2.5-pro",
        "2026-01-08",
        Tokens(input=200_001, output=1000),
        "0.5150025",
        "200_001 x 2.5 + 1_000 x 15",
        GOOGLE_PAGE,
    ),
    Golden(
        GOOGLE,
        "gemini-2.5-flash",
        "2026-01-08",
        Tokens(input=50_000, output=2000, reasoning=1500),
        "0.02",
        "50_000 x 0.3 + 2_000 x 2.5",
        GOOGLE_PAGE,
    ),
    Golden(
        GOOGLE,
        "gemini-2.5-flash",
        "2026-01-08",
        Tokens(input=3000, audio_input=2000, output=100),
        "0.00255",
        "1_000 x 0.3 + 2_000 x 1 + 100 x 2.5",
        GOOGLE_PAGE,
    ),
    Golden(
        GOOGLE,
        "gemini-2.5-flash-lite",
        "2026-01-08",
        Tokens(input=50_000, output=2000),
        "0.0058",
        "50_000 x 0.1 + 2_000 x 0.4",
        GOOGLE_PAGE,
    ),
    Golden(
        GOOGLE,
        "gemini-2.0-flash",
        "2025-06-01",
        Tokens(input=50_000, output=2000),
        "0.0058",
        "50_000 x 0.1 + 2_000 x 0.4",
        GOOGLE_PAGE,
    ),
    Golden(
        DEEPSEEK,
        "deepseek-chat",
        "2025-03-01",
        Tokens(input=10_000, cached=6000, output=1000),
        "0.0026",
        "4_000 x 0.27 + 6_000 x 0.07 + 1_000 x 1.1",
        DEEPSEEK_PAGE,
    ),
    Golden(
        DEEPSEEK,
        "deepseek-reasoner",
        "2025-03-01",
        Tokens(input=10_000, cached=6000, output=1000),
        "0.00523",
        "4_000 x 0.55 + 6_000 x 0.14 + 1_000 x 2.19",
        DEEPSEEK_PAGE,
    ),
    Golden(
        GROQ,
        "llama-3.3-70b-versatile",
        "2025-06-01",
        Tokens(input=4000, output=1000),
        "0.00315",
        "4_000 x 0.59 + 1_000 x 0.79",
        GROQ_PAGE,
    ),
    Golden(
        GROQ,
        "llama-3.1-8b-instant",
        "2025-06-01",
        Tokens(input=4000, output=1000),
        "0.00028",
        "4_000 x 0.05 + 1_000 x 0.08",
        GROQ_PAGE,
    ),
    Golden(
        GROQ,
        "whisper-large-v3",
        "2025-06-01",
        Tokens(seconds=3600),
        "0.111",
        "1 h x 0.111",
        GROQ_PAGE,
    ),
    Golden(
        GROQ,
        "whisper-large-v3-turbo",
        "2025-06-01",
        Tokens(seconds=3),
        "0.000111111111111",
        "10 s, the least that is charged, x 0.04 per h",
        GROQ_PAGE,
    ),
    Golden(
        MISTRAL,
        "codestral-latest",
        "2025-06-01",
        Tokens(input=4000, output=1000),
        "0.0021",
        "4_000 x 0.3 + 1_000 x 0.9",
        MISTRAL_PAGE,
    ),
    Golden(
        MISTRAL,
        "mistral-medium-latest",
        "2025-09-01",
        Tokens(input=4000, output=1000),
        "0.0036",
        "4_000 x 0.4 + 1_000 x 2",
        MISTRAL_PAGE,
    ),
    Golden(
        COHERE,
        "command-r-08-2024",
        "2025-06-01",
        Tokens(input=4000, output=1000),
        "0.0012",
        "4_000 x 0.15 + 1_000 x 0.6",
        COHERE_PAGE,
    ),
    Golden(
        COHERE,
        "command-a-03-2025",
        "2025-06-01",
        Tokens(input=4000, output=1000),
        "0.02",
        "4_000 x 2.5 + 1_000 x 10",
        COHERE_PAGE,
    ),
    Golden(
        XAI,
        "grok-3",
        "2025-06-01",
        Tokens(input=4000, output=1000),
        "0.027",
        "4_000 x 3 + 1_000 x 15",
        XAI_PAGE,
    ),
    Golden(
        XAI,
        "grok-3-mini",
        "2025-06-01",
        Tokens(input=4000, output=1000),
        "0.0017",
        "4_000 x 0.3 + 1_000 x 0.5",
        XAI_PAGE,
    ),
    Golden(
        XAI,
        "grok-4",
        "2025-08-01",
        Tokens(input=4000, output=1000),
        "0.027",
        "4_000 x 3 + 1_000 x 15",
        XAI_PAGE,
    ),
    Golden(
        TOGETHER,
        "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        "2025-06-01",
        Tokens(input=4000, output=1000),
        "0.0044",
        "5_000 x 0.88",
        TOGETHER_PAGE,
    ),
)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> PriceBook:
    """The prices of the installed genai-prices, made once."""
    made = PriceBook(tmp_path_factory.mktemp("prices"))
    made.load()
    return made


@pytest.mark.slow
@pytest.mark.parametrize(
    "golden", GOLDEN, ids=[f"{golden.model} {golden.cost}" for golden in GOLDEN]
)
def test_a_cost_is_the_one_that_was_calculated_by_hand(book: PriceBook, golden: Golden) -> None:
    at = datetime.fromisoformat(f"{golden.day}T12:00:00").replace(tzinfo=UTC).timestamp()
    rates = book.rates(golden.url, "", golden.model, at)
    assert rates is not None
    assert amount(rates, golden.tokens) == pytest.approx(float(golden.cost), rel=1e-9)


def test_there_are_fifty_of_them() -> None:
    assert len(GOLDEN) >= 50
