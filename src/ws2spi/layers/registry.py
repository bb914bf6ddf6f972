"""From what a user typed to a layer: `throttle:rate=2MB/s`, `./mine.py:Upper:loud=yes`, or a table of a TOML file.

Everything that can be wrong with such a text raises LayerSpecError, whose message is one line that names the layer,
the option, the value and what is allowed. Nothing here imports `inspect`, `dataclasses` or a layer that was not asked
for: `ws2spi run` passes through this module before the program starts.
"""

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_origin

from ws2spi._engine.boundary import METHODS
from ws2spi.layers.options import Duration, File, Rate, Size
from ws2spi.providers.layer import Layer

# {name: (module under ws2spi.layers, class)}, as `ws2spi layers` lists them. A table and not a search, so that a
# start reads one layer's file and not all of them; a test holds that every file is listed.
_SHIPPED = {
    "log": ("log", "Log"),
    "throttle": ("throttle", "Throttle"),
}

# key, key=value or key="a value, with commas", up to a comma or the end.
_PAIR = re.compile(r'([^,=]*[^,=\s][^,=]*)(?:="([^"]*)"(?=,|\Z)|=("[^"]*\Z|[^,]*))?(?=,|\Z)')

_TRUE = frozenset({"yes", "true", "on", "1"})
_FALSE = frozenset({"no", "false", "off", "0"})


# The methods that calls of a program under `ws2spi run` lead to; the others are for Winsock clients in this process.
_HEARD = frozenset({"socket", "connect", "send", "recv", "shutdown", "close"})


class LayerSpecError(ValueError):
    """A layer that was asked for cannot be made; the message is one line for the user."""


class Option(NamedTuple):
    """One option of a layer."""

    name: str
    metavar: str  # for a list: RATE, text|json
    allowed: str  # in words: 'a rate such as "2MB/s"', "text or json"
    default: Any
    required: bool
    help: str
    convert: Callable[[Any], Any]  # from text (or a TOML value); ValueError says what is allowed
    flag: bool  # may stand without "=value"


class LayerInfo(NamedTuple):
    """What can be said of a layer without making one."""

    name: str
    summary: str
    description: str
    options: tuple[Option, ...]
    ifs: bool  # sees control calls only; costs nothing per byte
    cls: type[Layer]


def shipped() -> list[LayerInfo]:
    """Every layer we ship, by name."""
    return [describe(name) for name in sorted(_SHIPPED)]


def shipped_names() -> list[str]:
    """The names alone; imports no layer."""
    return sorted(_SHIPPED)


def describe(spec: str) -> LayerInfo:
    """What `spec` names (`throttle`, `./mine.py:Upper`), with its options; LayerSpecError when it names none."""
    name, cls, rest = _find(spec)
    if rest:
        raise LayerSpecError(f"{spec}: a layer's name is wanted here, without options")
    text = _docstring(cls)
    summary, _, description = text.partition("\n\n")
    return LayerInfo(name, " ".join(summary.split()), description, options_of(cls, name), cls.ifs(), cls)


def parse(spec: str) -> Layer:
    """The layer that `spec` asks for.

    `spec` is `NAME[:key=value,...]` for a layer we ship, `FILE.py[:Class][:key=value,...]` for one's own; the class
    may be left out when the file defines a single layer. A value in double quotes may hold commas. Raises
    LayerSpecError.
    """
    name, cls, rest = _find(spec)
    return _build(name, cls, _pairs(name, rest))


def sees_nothing(cls: type[Layer]) -> str:
    """Why a layer of `cls` sees nothing of a program under `ws2spi run`, for the user; "" when it sees something."""
    overrides = cls.overrides()
    if overrides & _HEARD:
        return ""
    if overrides:
        return f"{cls.__name__} overrides {', '.join(sorted(overrides))} only, which no program's calls reach"
    names = [name for name in dir(cls) if not name.startswith("_") and not hasattr(Layer, name)]
    if any(name.startswith("WSP") for name in names):
        return f"{cls.__name__} overrides WSP functions only, which no program under ws2spi run calls"
    slips = [f"{name!r}{hint}" for name in names if (hint := _did_you_mean(name, METHODS))]
    hint = f" ({'; '.join(slips)})" if slips else ""
    return f"{cls.__name__} overrides none of Layer's methods{hint}"


def load_stack(path: str | os.PathLike[str]) -> list[Layer]:
    """The layers of a TOML file, top first.

    The file is a list of `[[layer]]` tables; `use` names the layer as in `parse` (a file's path is relative to the
    TOML file), every other key is an option. Raises LayerSpecError.
    """
    import tomllib  # slow to import, and wanted by few

    file = os.fspath(path)
    if not file:
        raise LayerSpecError("'' names no file: a stack is read from a TOML file")
    try:
        with open(file, "rb") as stream:
            document = tomllib.load(stream)
    except OSError as error:
        raise LayerSpecError(f"{file}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LayerSpecError(f"{file}: is not TOML: {_one_line(error)}") from None
    tables = document.pop("layer", None)
    if document or not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        what = f"unknown key {next(iter(document))!r}" if document else "no [[layer]] table"
        raise LayerSpecError(
            f'{file}: {what}; a stack is a list of tables: [[layer]] with use = "NAME" and the layer\'s options'
        )
    return [_from_table(file, number, table) for number, table in enumerate(tables, 1)]


def _from_table(file: str, number: int, table: dict[str, Any]) -> Layer:
    use = table.pop("use", None)
    if not isinstance(use, str):
        what = "is missing" if use is None else f"is {use!r} and not a text"
        raise LayerSpecError(f'{file}: layer {number}: "use" {what}: use = "throttle", or use = "./mine.py:Upper"')
    try:
        name, cls, rest = _find(use, os.path.dirname(file))
        if rest:
            raise LayerSpecError(f"{name}: options of {use!r} are keys of their own in a stack file")
        return _build(name, cls, table)
    except LayerSpecError as error:
        raise LayerSpecError(f"{file}: layer {number}: {error}") from None


# For the catalog, whose providers are named by a module or a file, in whatever folder they are loaded.


def provider_path(spec: str) -> str:
    """The provider path (`ws2spi._runtime.catalog.paths`) of what `parse` makes of `spec`. Raises LayerSpecError."""
    _, cls, rest = _find(spec)
    head = spec.partition(":")[0].strip()
    place = cls.__module__ if head in _SHIPPED else os.path.realpath(os.path.expanduser(head))
    return f"{place}:{cls.__name__}" + (f":{rest}" if rest else "")


def load_file(path: str) -> ModuleType:
    """The module of a file, executed once. Raises LayerSpecError."""
    return _load(path, path)


def make(cls: Any, options: str, shown: str) -> Layer:
    """A layer of a class, with `key=value,...`. Raises LayerSpecError, also when it is no such class."""
    if not (isinstance(cls, type) and issubclass(cls, Layer)):
        raise LayerSpecError(f"{shown} is not a layer: a layer is a class derived from ws2spi.Layer")
    return _build(shown, cls, _pairs(shown, options))


# Finding the class.


def _find(spec: str, folder: str = "") -> tuple[str, type[Layer], str]:
    """(name for messages, class, what follows it) of a spec."""
    head, _, rest = spec.partition(":")
    head = head.strip()
    is_option = head.partition("=")[0].strip() in _SHIPPED and "=" in head  # throttle=2MB/s is no path
    if ("/" in head or head.endswith(".py")) and not is_option:
        module = _load(os.path.join(folder, os.path.expanduser(head)), head)
        if rest.startswith(":"):
            raise LayerSpecError(f"{spec}: a single colon stands before the class: {head}{rest}")
        wanted, _, options = rest.partition(":")
        if "=" in wanted:  # no class, options at once
            first, _, others = wanted.partition(",")
            if isinstance(getattr(module, first, None), type):
                raise LayerSpecError(f"{spec}: a class's options stand behind a colon: {head}:{first}:{others}")
            wanted, options = "", rest
        cls = _class_in(module, head, wanted)
        return f"{head}:{cls.__name__}", cls, options
    if head not in _SHIPPED:
        raise LayerSpecError(_unknown_layer(head, spec))
    place, cls_name = _SHIPPED[head]
    cls = getattr(__import__(f"ws2spi.layers.{place}", fromlist=[cls_name]), cls_name)
    return head, cls, rest


def _unknown_layer(name: str, spec: str) -> str:
    if not name:
        return f"{spec!r} names no layer: NAME[:key=value,...] is wanted, for example throttle:rate=2MB/s"
    if "," in name or "=" in name:
        return f"there is no layer {name!r}: each layer has a -l of its own, and options stand behind a colon"
    here = f"; for a file write ./{name}.py:Class" if os.path.exists(f"{name}.py") else ""
    return f"there is no layer {name!r}{_did_you_mean(name, _SHIPPED)}{here} (ws2spi layers lists them)"


def _did_you_mean(word: str, words: Iterable[str]) -> str:
    import difflib  # only on the way to an error

    spelling = {known.lower(): known for known in words}
    close = [spelling[match] for match in difflib.get_close_matches(word.lower(), list(spelling), n=2, cutoff=0.55)]
    return f", did you mean {' or '.join(close)}?" if close else ""


# {real path: module}: two layers of one file share what the file keeps.
_loaded: dict[str, ModuleType] = {}


def _load(path: str, shown: str) -> ModuleType:
    """Execute the file at `path` as a module; a failure of it is one line that names file, line and error."""
    try:
        real = os.path.realpath(path)
    except OSError as error:  # the current directory has been removed
        raise LayerSpecError(f"{shown}: cannot be found: {error.strerror}") from None
    if real in _loaded:
        return _loaded[real]
    if os.path.isdir(real):
        raise LayerSpecError(f"{shown}: is a directory; a layer is a class in a file: FILE.py:Class")
    if not os.path.isfile(real):
        hint = f", did you mean {shown}.py?" if os.path.isfile(f"{real}.py") else ""
        raise LayerSpecError(f"{shown}: {'is not a file' if os.path.exists(real) else 'there is no such file'}{hint}")
    import importlib.util

    name = f"_ws2spi_layer_{len(_loaded)}_{os.path.basename(real).removesuffix('.py')}"
    spec = importlib.util.spec_from_file_location(name, real)
    if spec is None or spec.loader is None:
        raise LayerSpecError(f"{shown}: is not a Python file (its name must end in .py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # as import does: dataclasses and pickle look the module up by name
    sys.path.insert(0, os.path.dirname(real))  # as for a script: its neighbours can be imported
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        if isinstance(error, OSError) and error.filename == real:
            raise LayerSpecError(f"{shown}: cannot be read: {error.strerror}") from None
        raise LayerSpecError(f"{shown} does not import: {_blame(error, real)}") from error
    finally:
        sys.path.remove(os.path.dirname(real))
    _loaded[real] = module
    return module


def _blame(error: BaseException, file: str) -> str:
    """The error and the line of `file` it came from, on one line."""
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == file else None
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == file:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    what = error.msg if isinstance(error, SyntaxError) else _one_line(error)
    where = f" (line {line})" if line else ""
    return f"{type(error).__name__}: {what}{where}"


def _class_in(module: ModuleType, shown: str, wanted: str) -> type[Layer]:
    own = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Layer) and value.__module__ == module.__name__
    }
    if not wanted:
        if len(own) == 1:
            return next(iter(own.values()))
        choice = f"say which: {shown}:{' or :'.join(own)}" if own else "a layer is a class derived from ws2spi.Layer"
        raise LayerSpecError(f"{shown} defines {len(own) or 'no'} layers; {choice}")
    value = getattr(module, wanted, None)
    if value is None:
        hint = _did_you_mean(wanted, own) or (f"; it has {', '.join(own)}" if own else "")
        raise LayerSpecError(f"{shown} has no class {wanted!r}{hint}")
    if not (isinstance(value, type) and issubclass(value, Layer)) or value is Layer:
        raise LayerSpecError(f"{shown}: {wanted} is not a layer: a layer is a class derived from ws2spi.Layer")
    return value


# Options.


def options_of(cls: type[Layer], name: str) -> tuple[Option, ...]:
    """The options of a layer: the parameters of its `__init__`, helped by the docstring's "Options:" section."""
    init = cls.__init__
    code = getattr(init, "__code__", None)
    if code is None:  # object's own: no __init__ was written
        return ()
    annotations = dict(init.__annotations__)
    names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    plain = init.__defaults__ or ()
    defaults = dict(zip(code.co_varnames[code.co_argcount - len(plain) : code.co_argcount], plain, strict=True))
    defaults |= init.__kwdefaults__ or {}
    helps = _option_helps(_docstring(cls))
    return tuple(
        _option(
            name,
            option,
            annotations.get(option, _type_of(defaults.get(option))),
            option in defaults,
            defaults.get(option),
            helps.get(option, ""),
            init,
        )
        for option in names
    )


def _type_of(default: Any) -> Any:
    """The type of an option without an annotation: its default's, or text."""
    return type(default) if type(default) in _CONVERTERS else str


def _option(layer: str, name: str, annotation: Any, has_default: bool, default: Any, text: str, init: Any) -> Option:
    written = annotation
    if isinstance(annotation, str):  # the author's file has "from __future__ import annotations"
        try:
            annotation = eval(annotation, init.__globals__)
        except Exception as error:
            raise LayerSpecError(
                f"{layer}: option {name!r} has the type {written!r}, which is not known when the file has been "
                f"imported: {_one_line(error)}"
            ) from None
    if isinstance(annotation, UnionType) or get_origin(annotation) is Union:
        annotation = next(member for member in annotation.__args__ if member is not type(None))
    if get_origin(annotation) is Literal:
        words = tuple(str(word) for word in annotation.__args__)
        return Option(name, "|".join(words), " or ".join(words), default, not has_default, text, _chooser(words), False)
    known = getattr(annotation, "__hash__", None) is not None and annotation in _CONVERTERS
    if not known and str(getattr(annotation, "__module__", "")).partition(".")[0] == "pathlib":
        return Option(
            name, "FILE", File.allowed, default, not has_default, text, lambda value: annotation(File(value)), False
        )
    if not known:
        raise LayerSpecError(
            f"{layer}: option {name!r} has the type {annotation!r}, which cannot be typed on a command line; "
            f"known are {', '.join(kind.__name__ for kind in _CONVERTERS)} and Literal"
        )
    metavar, allowed, convert = _CONVERTERS[annotation]
    return Option(name, metavar, allowed, default, not has_default, text, convert, annotation is bool)


def _bool(value: Any) -> bool:
    word = str(value).lower()
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE


def _chooser(words: tuple[str, ...]) -> Callable[[Any], str]:
    def choose(value: Any) -> str:
        if str(value) not in words:
            raise ValueError
        return str(value)

    return choose


def _whole(value: Any) -> int:
    # int(True) and int(2.5) are numbers to Python and mistakes in a stack file.
    if isinstance(value, bool | float):
        raise ValueError
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError
    return float(value)


def _text(value: Any) -> str:
    if isinstance(value, list | dict):  # of a stack file
        raise ValueError
    return str(value)


# {type of the parameter: (word for a list, what is allowed, conversion)}
_CONVERTERS: dict[Any, tuple[str, str, Callable[[Any], Any]]] = {
    Rate: ("RATE", Rate.allowed, Rate),
    Size: ("SIZE", Size.allowed, Size),
    Duration: ("DURATION", Duration.allowed, Duration),
    File: ("FILE", File.allowed, File),
    bool: ("yes|no", "yes or no", _bool),
    int: ("NUMBER", "a whole number", _whole),
    float: ("NUMBER", "a number", _number),
    str: ("TEXT", "a text", _text),
}


def _pairs(layer: str, text: str) -> dict[str, Any]:
    """{key: value} of `key=value,key=value`; a key that stands alone has the value True."""
    pairs: dict[str, Any] = {}
    rest, more = text, bool(text)
    while more:
        match = _PAIR.match(rest)
        if match is None:
            raise LayerSpecError(f"{layer}: {rest.partition(',')[0]!r} is no option: key=value is wanted")
        key, quoted, plain = match[1].strip(), match[2], match[3]
        if plain and plain.startswith('"'):
            what = "has no closing quote" if plain.count('"') == 1 else "goes on behind its closing quote"
            raise LayerSpecError(f"{layer}: option {key!r}: {plain} {what}")
        if key in pairs:
            raise LayerSpecError(f"{layer}: option {key!r} is given twice")
        pairs[key] = quoted if quoted is not None else True if plain is None else plain
        more = match.end() < len(rest)
        rest = rest[match.end() + 1 :]
    return pairs


def _build(name: str, cls: type[Layer], values: Mapping[str, Any]) -> Layer:
    options = {option.name: option for option in options_of(cls, name)}
    arguments = {}
    for key, value in values.items():
        option = options.get(key)
        if option is None:
            known = f"; known are {', '.join(options)}" if options else "; it has none"
            raise LayerSpecError(f"{name}: there is no option {key!r}{_did_you_mean(key, options) or known}")
        arguments[key] = _convert(name, option, value)
    missing = [option.name for option in options.values() if option.required and option.name not in arguments]
    if missing:
        wanted = ", ".join(f"{word} ({options[word].allowed})" for word in missing)
        raise LayerSpecError(f"{name}: an option is missing: {wanted}")
    try:
        return cls(**arguments)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise LayerSpecError(f"{name}: {where}{error.strerror or _one_line(error)}") from error
    except (Exception, SystemExit) as error:
        kind = "" if isinstance(error, ValueError) else f"cannot be made: {type(error).__name__}: "
        raise LayerSpecError(f"{name}: {kind}{_one_line(error)}") from error


def _convert(layer: str, option: Option, value: Any) -> Any:
    if isinstance(value, bool) and not option.flag:
        raise LayerSpecError(f"{layer}: option {option.name!r} needs a value: {option.name}=..., {option.allowed}")
    try:
        return option.convert(value)
    except (ValueError, TypeError, OverflowError) as error:
        # Our own types say what is wrong and what is allowed; of the others we say what is allowed.
        detail = (
            str(error)
            if option.convert in (Rate, Size, Duration, File) and isinstance(error, ValueError)
            else f"{value!r} is not {option.allowed}"
        )
        raise LayerSpecError(f"{layer}: option {option.name!r}: {detail}") from None


# Docstrings.


def _docstring(cls: type[Layer]) -> str:
    """The class's own docstring, dedented (inspect.cleandoc without importing inspect)."""
    lines = (cls.__dict__.get("__doc__") or "").expandtabs().splitlines()
    rest = [line for line in lines[1:] if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in rest), default=0)
    return "\n".join([*(line.strip() for line in lines[:1]), *(line[margin:].rstrip() for line in lines[1:])]).strip()


def _option_helps(text: str) -> dict[str, str]:
    """{option: help} of the "Options:" section; a line that is indented further continues the one above."""
    helps: dict[str, str] = {}
    _, _, section = text.partition("Options:\n")
    current, margin = "", None
    for line in section.splitlines():
        indent = len(line) - len(line.lstrip())
        if not line.strip() or indent == 0:
            break
        if margin is None:
            margin = indent
        if indent == margin:
            current, _, first = line.strip().partition(":")
            helps[current] = first.strip()
        else:
            helps[current] += " " + line.strip()
    return helps


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
