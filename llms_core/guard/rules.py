"""What the guard looks for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from llms_core.config.locate import nearest
from llms_core.plugins.settings import PluginSettings

#: Keys of well-known services, and private keys. Each begins with something that hardly any other text has.
_KEYS = r"""
    \b(?:sk|rk|pk)-[A-Za-z0-9_-]{20,}             # OpenAI, Anthropic, OpenRouter, …
  | \b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}    # Stripe
  | \bgsk_[A-Za-z0-9]{20,}                        # Groq
  | \bxai-[A-Za-z0-9]{20,}
  | \bhf_[A-Za-z0-9]{20,}
  | \bAIza[A-Za-z0-9_-]{30,}                      # Google
  | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                 # AWS
  | \bgh[pousr]_[A-Za-z0-9]{30,}                  # GitHub
  | \bgithub_pat_[A-Za-z0-9_]{30,}
  | \bglpat-[A-Za-z0-9_-]{20,}
  | \bxox[abprs]-[A-Za-z0-9-]{10,}                # Slack
  | \beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}
  | -----BEGIN\ [A-Z ]{0,30}PRIVATE\ KEY-----
"""
_EMAIL = r"\b[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b"
#: What cannot precede or follow a word. Chinese and Japanese have no spaces between words, and Korean has particles.
_LETTER = r"[^\W\u3005\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]"
_CARD = r"(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d-])"


class GuardSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[plugin.guard]`."""

    #: Names of rules whose findings refuse the request, or end the answer.
    deny: Annotated[list[str], Meta(examples=[["secret"]])] = []
    #: Names of rules whose findings are replaced by `[name]`.
    mask: Annotated[list[str], Meta(examples=[["email", "card", "word", "ticket"]])] = []
    #: What the rule `word` finds, in whichever case.
    words: Annotated[list[str], Meta(examples=[["Project X"]])] = []
    #: Further rules: a name, and a regular expression.
    patterns: Annotated[dict[str, str], Meta(examples=[{"ticket": "TICKET-[0-9]+"}])] = {}
    #: Whether requests are looked through.
    requests: bool = True
    #: Whether answers are looked through.
    answers: bool = True
    #: Whether forms (uploads of images and recordings), which cannot be looked through, are let through.
    forms: bool = False


class Rule(msgspec.Struct, frozen=True):
    """Something to look for."""

    name: str
    pattern: re.Pattern[str]
    denies: bool
    #: Whether a match counts; patterns alone would find too much.
    is_meant: Callable[[str], bool] = bool


def rules_of(settings: GuardSettings, source: PluginSettings) -> Sequence[Rule]:
    """Return the rules of a table.

    Raises ConfigError for an unknown name or an invalid pattern, and for what would have no effect: a guard that is
    believed to be on must not be off.
    """
    patterns: dict[str, re.Pattern[str]] = {
        "secret": re.compile(_KEYS, re.VERBOSE | re.ASCII),
        "email": re.compile(_EMAIL, re.ASCII),
        "card": re.compile(_CARD),
    }
    if settings.words:
        words = "|".join(_spellings(settings.words))
        patterns["word"] = re.compile(rf"(?<!{_LETTER})(?:{words})(?!{_LETTER})", re.IGNORECASE)
    for name, text in settings.patterns.items():
        try:
            patterns[name] = re.compile(text)
        except re.error as error:
            raise source.error(("patterns", name), f"not a regular expression: {error}") from None
    rules = []
    for member, denies in (("deny", True), ("mask", False)):
        for position, name in enumerate(getattr(settings, member)):
            if name not in patterns:
                raise source.error(
                    (member, position), f"there is no rule '{name}'", _hint(name, patterns)
                )
            is_meant = is_card_number if name == "card" else bool
            rules.append(Rule(name, patterns[name], denies, is_meant))
    _check_all_used(settings, source)
    return rules


def _spellings(words: Sequence[str]) -> list[str]:
    """Return patterns for words, the longest first: with any white space in them, composed and decomposed."""
    forms = {unicodedata.normalize(form, word) for word in words for form in ("NFC", "NFD")}
    by_length = sorted(forms, key=lambda word: (-len(word), word))
    return [r"\s+".join(map(re.escape, word.split())) for word in by_length if word.split()]


def is_card_number(text: str) -> bool:
    """Whether the digits of a text have the check digit of a card number (ISO/IEC 7812-1, the Luhn formula)."""
    digits = [int(char) for char in reversed(text) if char.isdigit()]
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[1::2]]
    return len(set(digits)) > 1 and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _check_all_used(settings: GuardSettings, source: PluginSettings) -> None:
    used = {*settings.deny, *settings.mask}
    if settings.words and "word" not in used:
        raise source.error(("words",), "has no effect", "list the rule 'word' in `deny` or `mask`")
    for name in settings.patterns:
        if name not in used:
            raise source.error(
                ("patterns", name), "has no effect", f"list the rule '{name}' in `deny` or `mask`"
            )
    if not used:
        raise source.error(
            (), "looks for nothing", "list rules in `deny` or `mask`: secret, email, card"
        )


def _hint(name: str, patterns: Mapping[str, object]) -> str:
    if name == "word":
        return "it needs `words`"
    near = nearest(name, list(patterns))
    if near is not None:
        return f"did you mean '{near}'?"
    return f"rules: {', '.join(patterns)}"
