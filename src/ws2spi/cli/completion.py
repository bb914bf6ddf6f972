"""`ws2spi completion`: completions for bash, zsh and fish, made from the parsers so that they cannot lag behind."""

import argparse
from typing import Any

from ws2spi.cli.console import say
from ws2spi.layers.registry import shipped_names

_BASH = """\
# ws2spi completion bash >> ~/.bashrc, or into /etc/bash_completion.d/ws2spi
_ws2spi() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} sub=${{COMP_WORDS[1]}} i
    # Behind "--" a program stands, with completions of its own.
    for ((i = 2; i < COMP_CWORD; i++)); do
        if [ "${{COMP_WORDS[i]}}" = -- ]; then
            if declare -F _command_offset >/dev/null; then _command_offset $((i + 1)); fi
            return
        fi
    done
    if [ "$COMP_CWORD" = 1 ]; then COMPREPLY=($(compgen -W "{subcommands} --help --version" -- "$word")); return; fi
    case $before in
    -l|--layer) COMPREPLY=($(compgen -W "{layers}" -- "$word") $(compgen -f -X '!*.py' -- "$word")); return ;;
    --stack) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --categories|--set|--add) COMPREPLY=($(compgen -W "{categories}" -- "$word")); return ;;
    --application) COMPREPLY=($(compgen -c -- "$word")); return ;;
    esac
    case $sub in
{cases}
    esac
}}
complete -o default -F _ws2spi ws2spi
"""

_ZSH = """\
#compdef ws2spi
# ws2spi completion zsh > a folder of $fpath/_ws2spi
_ws2spi() {{
    local i=${{words[(I)--]}}
    if (( i && i < CURRENT )); then
        shift $i words; (( CURRENT -= i )); _normal; return
    fi
    if (( CURRENT == 2 )); then compadd -- {subcommands} --help --version; return; fi
    case ${{words[CURRENT-1]}} in
    -l|--layer) compadd -- {layers}; _files -g '*.py'; return ;;
    --stack) _files; return ;;
    --categories|--set|--add) compadd -- {categories}; return ;;
    --application) _command_names -e; return ;;
    esac
    case ${{words[2]}} in
{cases}
    esac
}}
compdef _ws2spi ws2spi
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "completion",
        help="print the completions for a shell",
        description="Print the completions for a shell, for its start-up file.",
        epilog='example:\n  eval "$(ws2spi completion bash)"\n',
    )
    parser.add_argument("shell", choices=sorted(_SHELLS))


def main(arguments: argparse.Namespace) -> int:
    from ws2spi.cli.main import build_parser

    say(_SHELLS[arguments.shell](_words(build_parser()), shipped_names()).rstrip("\n"))
    return 0


# {subcommand: the words that may stand after it}
Words = dict[str, list[str]]


def _words(parser: argparse.ArgumentParser) -> Words:
    subparsers = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return {name: _words_of(sub) for name, sub in subparsers.choices.items()}


def _words_of(parser: argparse.ArgumentParser) -> list[str]:
    words = [option for action in parser._actions for option in action.option_strings]
    for action in parser._actions:
        if not action.option_strings and action.choices is not None:
            words += [str(choice) for choice in action.choices]
        if isinstance(action, argparse._SubParsersAction):  # of `catalog`: their options too
            words += [word for sub in action.choices.values() for word in _words_of(sub) if word not in words]
    return words


def _cases(words: Words, layers: list[str], reply: str) -> str:
    own = {**words, "layers": [*words["layers"], *layers]}
    return "\n".join(f"    {name}) {reply.format(' '.join(options))} ;;" for name, options in own.items())


def _categories() -> str:
    from ws2spi.cli.categories import CATEGORIES

    return " ".join([*CATEGORIES, "none"])


def _bash(words: Words, layers: list[str]) -> str:
    cases = _cases(words, layers, 'COMPREPLY=($(compgen -W "{}" -- "$word"))')
    return _BASH.format(subcommands=" ".join(words), layers=" ".join(layers), cases=cases, categories=_categories())


def _zsh(words: Words, layers: list[str]) -> str:
    cases = _cases(words, layers, "compadd -- {}")
    return _ZSH.format(subcommands=" ".join(words), layers=" ".join(layers), cases=cases, categories=_categories())


def _fish(words: Words, layers: list[str]) -> str:
    lines = ["# ws2spi completion fish > ~/.config/fish/completions/ws2spi.fish", "complete -c ws2spi -f"]
    lines.append(f'complete -c ws2spi -n __fish_use_subcommand -a "{" ".join(words)}"')
    for name, options in words.items():
        seen = f'-n "__fish_seen_subcommand_from {name}"'
        for option in options:
            if option.startswith("--"):
                lines.append(f"complete -c ws2spi {seen} -l {option[2:]}")
            elif option.startswith("-"):
                lines.append(f"complete -c ws2spi {seen} -s {option[1:]}")
            else:
                lines.append(f"complete -c ws2spi {seen} -a {option}")
    for option in ("categories", "set", "add"):
        seen = '-n "__fish_seen_subcommand_from catalog"'
        lines.append(f'complete -c ws2spi {seen} -l {option} -x -a "{_categories()}"')
    lines.append(f'complete -c ws2spi -n "__fish_seen_subcommand_from layers" -a "{" ".join(layers)}"')
    lines.append(f'complete -c ws2spi -n "__fish_seen_subcommand_from run" -s l -l layer -x -a "{" ".join(layers)}"')
    lines.append(
        'complete -c ws2spi -n "__fish_seen_subcommand_from run" -a "(__fish_complete_subcommand --fcs-skip=2)"'
    )
    return "\n".join(lines) + "\n"


_SHELLS = {"bash": _bash, "zsh": _zsh, "fish": _fish}
