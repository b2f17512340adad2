"""The command `rosterguard`."""

import typer

from app.cli import accounts, demo, key, load, policy, policy_diff, rehearse, sandbox, serve

app = typer.Typer(
    name="rosterguard",
    help="What a Clever user may do, and where: a permission service for the backends of school applications.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve.serve)
app.command()(sandbox.sandbox)
app.command()(demo.demo)
app.command()(load.load)
app.command()(rehearse.rehearse)
app.command()(serve.openapi)
policy.app.command("diff")(policy_diff.diff)
app.add_typer(accounts.app)
app.add_typer(policy.app)
app.add_typer(key.app)
