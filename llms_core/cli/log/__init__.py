"""`llms log`: the conversations of `llms PROMPT` and `llms chat`, and single requests of the ledger."""

from __future__ import annotations

import click

from llms_core.cli.user_error import Failure
from llms_core.cli.verbosity import verbosity

_SWITCHES = ("on", "off")
_WORDS = (*_SWITCHES, "path")


@click.command(short_help="Show earlier prompts and their answers, or one request.")
@click.argument("what", required=False, metavar="[ID|REQUEST-ID|off|on|path]")
@click.option(
    "-n",
    "--count",
    default=20,
    show_default=True,
    help="How many conversations to list; 0 for all.",
)
@click.option(
    "-q", "--query", default="", metavar="TEXT", help="List conversations that contain a text."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--delete", is_flag=True, help="Delete the conversation ID.")
@verbosity
@click.pass_context
def command(
    ctx: click.Context, what: str | None, count: int, query: str, as_json: bool, delete: bool
) -> None:
    """List the latest conversations, or show one: the beginning of its id is enough.

    The id of a request, which answers have in the header x-request-id, shows what the ledger has of it: its attempts,
    tokens, costs and times.

    `llms log off` stops logging until `llms log on`, and `llms log path` prints where the log is. The log is in the
    user's folder, and only the user can read it.

    \b
      llms log
      llms log -q "capital of France"
      llms log 3f2a --json
      llms log 3f2a --delete
    """
    from llms_core.cli.log import show, store, switch

    log = store.default()
    if delete and (what is None or what in _WORDS):
        raise click.UsageError("--delete needs the id of a conversation")
    if what in _SWITCHES:
        click.echo(switch.turn(what))
        return
    if what == "path":
        click.echo(log.path)
        return
    if what is None:
        show.conversations(log, log.summaries(limit=count or -1, query=query), as_json=as_json)
        return
    found = log.find(what)
    # A turn of a conversation has the id of its request.
    is_conversation = found is not None and found.startswith(what.lower())
    if what and not is_conversation and not delete and _show_request(ctx, what, as_json=as_json):
        return
    if found is None:
        raise _unknown(what)
    if delete:
        log.delete(found)
    else:
        show.conversation(found, log.turns(found), as_json=as_json)


def _unknown(what: str) -> Failure:
    """The error for what is neither a conversation nor a word of this command."""
    from difflib import get_close_matches

    similar = get_close_matches(what, _WORDS, n=1)
    if similar:
        return Failure(
            f"no conversation and no request '{what}'; did you mean `llms log {similar[0]}`?"
        )
    return Failure(f"no conversation and no request '{what}' (`llms log` lists conversations)")


def _show_request(ctx: click.Context, beginning: str, *, as_json: bool) -> bool:
    """Print the request of the ledger whose id begins like this; False if there is none."""
    from llms_core.cli.ledger import opened
    from llms_core.cli.log import request
    from llms_core.ledger import reports

    with opened(ctx, ctx.find_root().params.get("plugins")) as database:
        found = None if database is None else reports.request(database, beginning)
        if database is None or found is None:
            return False
        content = reports.content(database, found[0]["id"])
    row, attempts = found
    request.show(row, attempts, content, as_json=as_json)
    return True
