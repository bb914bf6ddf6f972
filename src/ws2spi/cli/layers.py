"""`ws2spi layers`: the layers there are, and the options of one."""

import argparse
import sys
from typing import Any

from ws2spi.layers.registry import LayerInfo, LayerSpecError, Option, describe, shipped


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "layers",
        help="list the layers and their options",
        description="List the layers that ws2spi ships, or tell all of one (NAME, or FILE.py:Class for your own).",
        epilog="examples:\n  ws2spi layers\n  ws2spi layers throttle\n  ws2spi layers ./mine.py:Upper --json\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a layer, to see its options in full")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def main(arguments: argparse.Namespace) -> int:
    try:
        infos = [describe(arguments.name)] if arguments.name else shipped()
    except LayerSpecError as error:
        print(f"ws2spi: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        import json

        objects = [_as_object(info) for info in infos]
        print(json.dumps(objects[0] if arguments.name else objects, indent=2))
    elif arguments.name:
        print(_in_full(infos[0]))
    else:
        print("\n\n".join(_in_short(info) for info in infos))
        print('\nUse: ws2spi run -l NAME[:option=value,...] -- program; "ws2spi layers NAME" tells more.')
    return 0


def _in_short(info: LayerInfo) -> str:
    lines = [f"{info.name}: {info.summary}"]
    lines += [f"  {option.name}={option.metavar}" for option in info.options]
    return "\n".join(lines)


def _in_full(info: LayerInfo) -> str:
    blocks = [f"{info.name}: {info.summary}", _without_options(info.description)]
    blocks.append(
        "\n".join([f"Options of {info.name}:", *(_option_in_full(option) for option in info.options)])
        if info.options
        else f"{info.name} has no options."
    )
    sees = (
        "control calls only; the bytes stay in the kernel and cost nothing"
        if info.ifs
        else "the bytes of its connections"
    )
    return "\n\n".join([block for block in blocks if block] + [f"Sees: {sees}."])


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
