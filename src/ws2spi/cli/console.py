"""What the subcommands share: how they print, how they complain, how they understand their words.

Answers go to stdout by `say`, everything else to stderr by `complain`. A stdout that cannot take an answer ends the
command with a line and a status, and a stderr that cannot take a line ends nothing.
"""

import argparse
import errno
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

FAILED = 125  # ours, in `run` and wherever an answer could not be given, as timeout(1) and env(1) have it
USAGE = 2
_BROKEN_PIPE = 141  # 128 + SIGPIPE, what the shell shows for a program whose reader has left


class OutputError(Exception):
    """Standard output did not take what a command had to say."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(str(reason))
        self.reason = reason

    def leave(self) -> int:
        """Say so, unless the reader has left on purpose (`ws2spi layers | head -1`); returns the exit status."""
        if sys.stdout is not None:
            # What is still in the buffer goes nowhere, or else the interpreter would complain about it at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if self.reason.errno == errno.EPIPE:
            return _BROKEN_PIPE
        complain(f"cannot write to standard output: {self.reason.strerror}")
        return FAILED


def say(text: str) -> None:
    """Print `text` and a line's end to stdout, at once. Raises OutputError."""
    _print(f"{text}\n")


def _print(text: str) -> None:
    stream = sys.stdout
    try:
        if stream is None:  # closed by whoever started us
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        try:
            stream.write(text)
        except UnicodeEncodeError:  # a layer's docstring on an ASCII terminal
            stream.write(text.encode(stream.encoding, "backslashreplace").decode(stream.encoding))
        stream.flush()
    except OSError as error:
        raise OutputError(error) from None


def complain(text: str) -> None:
    """One line on stderr, with our name before it. Never raises: the exit status still tells."""
    _complain(f"ws2spi: {_printable(text)}\n")


def _printable(text: str) -> str:
    """On one line, and with nothing that could steer a terminal: much of it is what somebody typed."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _complain(text: str) -> None:
    try:
        if sys.stderr is not None:
            sys.stderr.write(text)
            sys.stderr.flush()
    except OSError:
        pass


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """`, did you mean X?` for the nearest of `words`, or nothing."""
    import difflib  # only on the way to an error

    close = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return f", did you mean {close[0]}?" if close else ""


class Parser(argparse.ArgumentParser):
    """Argparse with our way of refusing: one line, and a word where to read on.

    Attributes:
        failure: the exit status of a refusal.
        takes_program: whether the words end in a program and its arguments, which are nobody's business but its own.
            They are cut off before argparse sees any, as `argv`, because argparse takes each "--" for its own.
        subcommands: {name: parser}, of the whole command line's parser.
    """

    failure = USAGE
    takes_program = False
    subcommands: Mapping[str, "Parser"] = {}

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        # An abbreviation that works today is ambiguous with the next option tomorrow.
        super().__init__(*arguments, **{"allow_abbrev": False, "formatter_class": Formatter, **keywords})

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        result, surplus = self.parse_known_args(args, namespace)
        if surplus:
            word = surplus[0]
            known = [option for option in self._option_string_actions if option.startswith("--")]
            self.error(
                f"there is no option {word!r}{did_you_mean(word, known)}"
                if word.startswith("-")
                else f"unexpected argument {word!r}"
            )
        return result

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        words = list(sys.argv[1:] if args is None else args)
        if not self.takes_program:
            return super().parse_known_args(words, namespace)
        words, argv = self._cut(words)
        result, surplus = super().parse_known_args(words, namespace)
        if not argv and not surplus:
            self.error("no program was given: PROGRAM [ARGUMENT ...] is wanted behind the options")
        result.argv = argv
        return result, surplus

    def _cut(self, words: Sequence[str]) -> tuple[list[str], list[str]]:
        """Our options, and the program's words: behind "--", or from the first that is neither option nor value."""
        place = 0
        while place < len(words):
            word = words[place]
            if word == "--":
                return list(words[:place]), list(words[place + 1 :])
            if not word.startswith("-") or word == "-":
                break
            place += 2 if self._wants_value(word) else 1
        return list(words[:place]), list(words[place:])

    def _wants_value(self, word: str) -> bool:
        """Whether the word behind the option `word` is its value: `--stack`, `-l`, `-vl`, but not `-llog`."""
        if word.startswith("--"):
            action = self._option_string_actions.get(word)
            return action is not None and action.nargs is None
        for place, letter in enumerate(word[1:], 2):
            action = self._option_string_actions.get(f"-{letter}")
            if action is not None and action.nargs is None:
                return place == len(word)
        return False

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            guess = did_you_mean(str(value), known) or f" (choose from {', '.join(known)})"
            raise argparse.ArgumentError(action, f"there is no {value!r}{guess}")

    def error(self, message: str) -> NoReturn:
        self.exit(self.failure, f"ws2spi: {_printable(message)} (see: {self.prog} --help)\n")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        if message:
            _complain(message)
        sys.exit(status)

    def _print_message(self, message: str, file: Any = None) -> None:
        _print(message)  # only the help comes this way


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help whose texts are laid out by hand, with room for the longest of our words."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26)
