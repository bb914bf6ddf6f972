"""`ws2spi layers`: the layers there are, and the options of one."""

import argparse
from typing import Any

from ws2spi.cli.console import USAGE, complain, say
from ws2spi.layers.registry import LayerInfo, LayerSpecError, Option, describe, sees_nothing, shipped


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "layers",
        help="list the layers and their options",
        description="List the layers that ws2spi ships, or tell all of one.",
        epilog="examples:\n  ws2spi layers\n  ws2spi layers throttle\n  ws2spi layers ./mine.py:Upper --json\n",
    )
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="a layer, to see its options in full: NAME, or FILE.py:CLASS for your own",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def main(arguments: argparse.Namespace) -> int:
    try:
        infos = shipped() if arguments.name is None else [describe(arguments.name)]
    except LayerSpecError as error:
        complain(str(error))
        return USAGE
    if arguments.json:
        import json

        objects = [_as_object(info) for info in infos]
        say(json.dumps(objects if arguments.name is None else objects[0], indent=2))
    elif arguments.name is not None:
        say(_in_full(infos[0]))
    else:
        say("\n\n".join(_in_short(info) for info in infos))
        say('\nUse: ws2spi run -l NAME[:option=value,...] -- program; "ws2spi layers NAME" tells more.')
    return 0


def _in_short(info: LayerInfo) -> str:
    lines = [_headline(info)]
    lines += [f"  {option.name}={option.metavar}" for option in info.options]
    return "\n".join(lines)


def _headline(info: LayerInfo) -> str:
    return f"{info.name}: {info.summary or '(its class has no docstring)'}"


def _in_full(info: LayerInfo) -> str:
    blocks = [_headline(info), _without_options(info.description)]
    blocks.append(
        "\n".join([f"Options of {info.name}:", *(_option_in_full(option) for option in info.options)])
        if info.options
        else f"{info.name} has no options."
    )
    return "\n\n".join([block for block in blocks if block] + [f"Sees: {_sees(info)}."])


def _sees(info: LayerInfo) -> str:
    nothing = sees_nothing(info.cls)
    if nothing:
        return f"nothing of a program: {nothing}"
    if not info.ifs:
        return "the bytes of its connections"
    if info.cls.handshakes:
        return (
            "control calls only, and its connect talks to the peer before the program does (handshakes): "
            "where the program's connect blocks, the bytes stay in the kernel and cost nothing; else they are relayed"
        )
    return "control calls only; the bytes stay in the kernel and cost nothing"


def _option_in_full(option: Option) -> str:
    default = "required" if option.required else _default(option)
    lines = [
        f"  {option.name}={option.metavar}{f'  ({default})' if default else ''}",
        f"      {option.help or 'no help was written'}",
    ]
    if "|" not in option.metavar:
        lines.append(f"      {option.metavar}: {option.allowed}")
    return "\n".join(lines)


def _default(option: Option) -> str:
    if option.default is None:
        return ""
    if isinstance(option.default, bool):
        return f"default: {'yes' if option.default else 'no'}"
    return f"default: {option.default}"


def _without_options(description: str) -> str:
    """The description's paragraphs but for the options, which are printed from the table."""
    return "\n\n".join(part for part in description.split("\n\n") if not part.startswith("Options:")).strip()


def _as_object(info: LayerInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "summary": info.summary,
        "sees_bytes": not info.ifs,
        "handshakes": info.cls.handshakes,
        "options": [
            {
                "name": option.name,
                "allowed": option.allowed,
                "required": option.required,
                "default": option.default
                if isinstance(option.default, bool | int | float | None)
                else str(option.default),
                "help": option.help,
            }
            for option in info.options
        ],
    }
