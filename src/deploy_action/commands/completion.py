"""completion: the words that a shell completes, from the registry of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.commands import all_commands
from deploy_action.commands.command import Arguments, Command
from deploy_action.results.reports import Page

if TYPE_CHECKING:
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="completion",
    summary="print what makes a shell complete commands and options",
    description="Prints a script for bash, zsh or fish.",
    examples=(
        ("deploy-action completion bash", "in ~/.bashrc: source <(…)"),
        ("deploy-action completion zsh", "in ~/.zshrc, after compinit: source <(…)"),
        ("deploy-action completion fish", "in ~/.config/fish/config.fish: … | source"),
    ),
    arguments=Arguments(
        field="shell",
        usage="bash|zsh|fish",
        help="the shell",
        choices=("bash", "zsh", "fish"),
    ),
)


def run(inputs: Inputs, events: EventStream) -> Page:  # noqa: ARG001
    """Return the script; nothing is read or asked."""
    commands = all_commands()
    match inputs.shell:
        case "fish":
            return Page(text=_fish(commands))
        case "zsh":
            return Page(text="autoload -U +X bashcompinit && bashcompinit\n" + _bash(commands))
        case _:
            return Page(text=_bash(commands))


def _words(command: Command) -> list[str]:
    flags = [flag for each in command.options for flag in each.flags if flag.startswith("--")]
    choices = () if command.arguments is None else command.arguments.choices
    return [*choices, *flags, "--config", "--json", "--help"]


def _bash(commands: list[Command]) -> str:
    names = " ".join([*(command.name for command in commands), "version", "help"])
    cases = [f"      {c.name}) words='{' '.join(_words(c))}' ;;" for c in commands]
    return "\n".join(
        [
            "_deploy_action() {",
            "  local words=",
            '  if [ "$COMP_CWORD" -eq 1 ]; then',
            f"    words='{names}'",
            "  else",
            "    case ${COMP_WORDS[1]} in",
            *cases,
            "    esac",
            "  fi",
            '  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))',
            "}",
            "complete -o default -F _deploy_action deploy-action",
            "",
        ]
    )


def _fish(commands: list[Command]) -> str:
    lines = ["complete -c deploy-action -f"]
    for command in commands:
        summary = command.summary.replace("'", "\\'")
        lines.append(
            f"complete -c deploy-action -n __fish_use_subcommand -a {command.name} -d '{summary}'"
        )
        condition = f"'__fish_seen_subcommand_from {command.name}'"
        for word in _words(command):
            what = f"-l {word.removeprefix('--')}" if word.startswith("--") else f"-a {word}"
            lines.append(f"complete -c deploy-action -n {condition} {what}")
    return "\n".join(lines) + "\n"
