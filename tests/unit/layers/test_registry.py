"""From what a user typed to a layer, and every way in which that can be wrong."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ws2spi.layers
from ws2spi.layers import registry
from ws2spi.layers.log import Log
from ws2spi.layers.options import Rate
from ws2spi.layers.registry import LayerSpecError, load_stack, parse
from ws2spi.layers.throttle import Throttle

MINE = '''
from pathlib import Path
from typing import Literal, Optional

from ws2spi.layers.options import Duration, Size
from ws2spi.providers.layer import Layer


class Mine(Layer):
    """Does things.

    More of it.

    Options:
        mode: how, and this
            goes on
        when: then
    """

    def __init__(self, mode: Literal["a", "b"], *, when: Duration = Duration("1s"),
                 size: Optional[Size] = None, count: int = 1,
                 ratio: float = 0.5, loud: bool = False, text: str = "", file: Path | None = None) -> None:
        self.given = dict(mode=mode, when=when, size=size, count=count, ratio=ratio, loud=loud, text=text, file=file)
'''


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_loaded", {})
    return "./mine.py:Mine"


def refusal(spec: str) -> str:
    """The one line with which `spec` is refused."""
    with pytest.raises(LayerSpecError) as caught:
        parse(spec)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_every_layer_file_is_listed() -> None:
    folder = Path(ws2spi.layers.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "registry", "options", "terminal"}
    assert files == {module for module, _ in registry._SHIPPED.values()}


def test_parse_name_alone() -> None:
    assert isinstance(parse("log"), Log)


def test_parse_options() -> None:
    layer = parse("throttle:rate=2MB/s,up=1Mbit/s,shared")
    assert isinstance(layer, Throttle)
    assert (layer.up, layer.down) == (Rate("1Mbit/s"), Rate("2MB/s"))
    assert layer.name == "throttle"


def test_parse_own_file_converts_every_type(mine: str) -> None:
    layer = parse(f'{mine}:mode=b,when=250ms,size=64KiB,count=3,ratio=.25,loud=yes,text="a,b=c",file=~/x')
    assert layer.given == {  # type: ignore[attr-defined]
        "mode": "b",
        "when": 0.25,
        "size": 65536,
        "count": 3,
        "ratio": 0.25,
        "loud": True,
        "text": "a,b=c",
        "file": Path(os.path.expanduser("~/x")),
    }


def test_parse_quoted_values(mine: str) -> None:
    given = parse(f'{mine}:mode=a,text="",file="x,y=z"').given  # type: ignore[attr-defined]
    assert (given["text"], given["file"]) == ("", Path("x,y=z"))
    given = parse(f'{mine}:mode=a,text=say "hi",count=2').given  # type: ignore[attr-defined]
    assert (given["text"], given["count"]) == ('say "hi"', 2)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_that_may_not_be_read(mine: str) -> None:
    os.chmod("mine.py", 0)
    assert refusal(mine) == "./mine.py: cannot be read: Permission denied"


def test_parse_own_file_class_may_be_left_out(mine: str) -> None:
    assert parse("./mine.py:mode=a").given["mode"] == "a"  # type: ignore[attr-defined]


def test_parse_same_file_twice_is_one_module(mine: str, tmp_path: Path) -> None:
    assert type(parse(f"{mine}:mode=a")) is type(parse(f"{tmp_path}/mine.py:Mine:mode=b"))


def test_option_without_a_type_has_that_of_its_default(mine: str) -> None:
    Path("bare.py").write_text(
        "from ws2spi import Layer\n\n\nclass Bare(Layer):\n"
        "    def __init__(self, what, n=3, *, loud=False, other=None):\n        self.given = (what, n, loud, other)\n"
    )
    assert parse("./bare.py:what=1,n=5,loud,other=2").given == ("1", 5, True, "2")  # type: ignore[attr-defined]
    assert "option 'n': 'x' is not a whole number" in refusal("./bare.py:what=1,n=x")


def test_file_with_postponed_annotations(mine: str) -> None:
    Path("later.py").write_text("from __future__ import annotations\n" + MINE.lstrip())
    assert parse("./later.py:Mine:mode=a,when=2s").given["when"] == 2  # type: ignore[attr-defined]


def test_file_may_import_its_neighbour(mine: str) -> None:
    Path("upstairs.py").write_text("from mine import Mine as Base\n\n\nclass Derived(Base):\n    pass\n")
    assert type(parse("./upstairs.py:Derived:mode=a")).__name__ == "Derived"


def test_describe_tells_the_options(mine: str) -> None:
    info = registry.describe(mine)
    options = {option.name: option for option in info.options}
    assert info.summary == "Does things."
    assert options["mode"].required
    assert options["mode"].help == "how, and this goes on"
    assert options["mode"].allowed == "a or b"
    assert options["when"].default == 1
    assert options["loud"].flag
    assert info.ifs


def test_shipped_layers_document_every_option() -> None:
    for info in registry.shipped():
        assert info.summary
        assert all(option.help for option in info.options), info.name


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("throtle:rate=1", "there is no layer 'throtle', did you mean throttle?"),
        ("wat", "there is no layer 'wat' (ws2spi layers lists them)"),
        ("", "names no layer"),
        (":rate=1", "names no layer"),
        ("throttle:rat=1", "throttle: there is no option 'rat', did you mean rate?"),
        ("throttle:zzz=1", "throttle: there is no option 'zzz'; known are rate, up, down, burst, shared"),
        ("throttle", "throttle: one of the options rate, up and down is needed"),
        ("throttle:rate", "throttle: option 'rate' needs a value: rate=..., a rate such as"),
        ("throttle:rate=", "throttle: option 'rate': '' is not a rate such as"),
        ("throttle:rate=fast", "throttle: option 'rate': 'fast' is not a rate such as"),
        ("throttle:rate=1,rate=2", "throttle: option 'rate' is given twice"),
        ('log:file="x', "log: option 'file': \"x has no closing quote"),
        ('log:file="x,format=json', "log: option 'file': \"x,format=json has no closing quote"),
        ('log:file="a"b', "log: option 'file': \"a\"b goes on behind its closing quote"),
        ("log:=x", "log: '=x' is no option: key=value is wanted"),
        ("log: ", "log: ' ' is no option: key=value is wanted"),
        ("log,throttle", "there is no layer 'log,throttle': each layer has a -l of its own, and options stand behind"),
        ("throttle=2MB/s", "there is no layer 'throttle=2MB/s': each layer has a -l of its own, and options stand beh"),
        ("./mine.py::Mine", "./mine.py::Mine: a single colon stands before the class: ./mine.py:Mine"),
        ("log:file=-", "log: option 'file': '-' is no file here: write /dev/stdout or /dev/stderr, or ./- for a file"),
        ("./mine.py:Mine,mode=a", "a class's options stand behind a colon: ./mine.py:Mine:mode=a"),
        ("./mine.py:Layer", "./mine.py: Layer is not a layer: a layer is a class derived from ws2spi.Layer"),
        ("./mine", "./mine: there is no such file, did you mean ./mine.py?"),
        ("./", "./: is a directory; a layer is a class in a file: FILE.py:Class"),
        ("/dev/null", "/dev/null: is not a file"),
        ("throttle:rate=1,,up=2", "throttle: '' is no option: key=value is wanted"),
        ("throttle:rate=1,shared=perhaps", "throttle: option 'shared': 'perhaps' is not yes or no"),
        ("log:format=xml", "log: option 'format': 'xml' is not text or json"),
        ("log:file=/nowhere/at/all", "log: /nowhere/at/all: No such file or directory"),
        ("log:file=", "log: option 'file': '' is not the path of a file"),
        ("log:queue=0", "log: option 'queue': 0 is not above zero"),
        ("log:queue=many", "log: option 'queue': 'many' is not a whole number"),
        ("./none.py:X", "./none.py: there is no such file"),
        ("./mine.py:Mine", "./mine.py:Mine: an option is missing: mode (a or b)"),
        ("./mine.py:Mime:mode=a", "./mine.py has no class 'Mime', did you mean Mine?"),
        ("./mine.py:Path:mode=a", "./mine.py: Path is not a layer: a layer is a class derived from ws2spi.Layer"),
        ("./mine.py:MINE:mode=c", "./mine.py has no class 'MINE', did you mean Mine?"),
        ("mine", "there is no layer 'mine'; for a file write ./mine.py:Class"),
    ],
)
def test_refusal_is_one_line_that_says_what_and_what_is_allowed(mine: str, spec: str, says: str) -> None:
    assert says in refusal(spec)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import nosuchmodule", "does not import: ModuleNotFoundError: No module named 'nosuchmodule' (line 1)"),
        ("\n\ndef (:\n", "does not import: SyntaxError: invalid syntax (line 3)"),
        ("\n1 / 0\n", "does not import: ZeroDivisionError: division by zero (line 2)"),
        (
            "from __future__ import annotations\nfrom ws2spi import Layer\n\nclass A(Layer):\n"
            "    def __init__(self, x: Nowhere): pass\n",
            "option 'x' has the type 'Nowhere', which is not known when the file has been imported: name 'Nowhere'",
        ),
        (
            "from ws2spi import Layer\n\nclass A(Layer):\n    def __init__(self, x: {}): pass\n",
            "option 'x' has the type {}, which cannot be typed on a command line",
        ),
        (
            "from ws2spi import Layer\n\nclass A(Layer):\n    def __init__(self): raise SystemExit(3)\n",
            "./bad.py:A: cannot be made: SystemExit: 3",
        ),
        ("raise SystemExit(3)", "does not import: SystemExit: 3 (line 1)"),
        ("raise ValueError('two\\nlines')", "does not import: ValueError: two lines (line 1)"),
        ("x = 1", "defines no layers; a layer is a class derived from ws2spi.Layer"),
        (
            "from ws2spi.providers.layer import Layer\nclass A(Layer): pass\nclass B(Layer): pass\n",
            "defines 2 layers; say which: ./bad.py:A or :B",
        ),
        (
            "from ws2spi.providers.layer import Layer\nclass A(Layer):\n    def __init__(self, x: list): pass\n",
            "option 'x' has the type <class 'list'>, which cannot be typed on a command line",
        ),
        (
            "from ws2spi.providers.layer import Layer\nclass A(Layer):\n    def __init__(self): {}['k']\n",
            "./bad.py:A: cannot be made: KeyError: 'k'",
        ),
    ],
)
def test_file_that_does_not_work_shows_the_real_error(mine: str, source: str, says: str) -> None:
    Path("bad.py").write_text(source)
    assert says in refusal("./bad.py")


def test_describe_with_options_is_refused() -> None:
    with pytest.raises(LayerSpecError, match="without options"):
        registry.describe("throttle:rate=1")


@given(st.dictionaries(st.text("abc", min_size=1), st.text("a=, :\n"), min_size=1))
def test_quoted_values_come_back_as_they_are(wanted: dict[str, str]) -> None:
    assert registry._pairs("x", ",".join(f'{key}="{value}"' for key, value in wanted.items())) == wanted


@given(st.text('ab=",: \n', max_size=30))
def test_any_text_is_options_or_one_line_of_refusal(text: str) -> None:
    try:
        pairs = registry._pairs("x", text)
    except LayerSpecError:
        return
    assert all(key.strip() for key in pairs)
    assert sum(map(len, pairs)) <= len(text)


def test_load_stack_top_first(mine: str) -> None:
    Path("stacks").mkdir()
    Path("stacks/s.toml").write_text(
        '[[layer]]\nuse = "log"\nformat = "json"\n\n[[layer]]\nuse = "../mine.py:Mine"\n'
        'mode = "a"\ncount = 4\nloud = true\n'
        '[[layer]]\nuse = "throttle"\nrate = "1MB/s"\nburst = 1024\n'
    )
    layers = load_stack("stacks/s.toml")
    assert [type(layer).__name__ for layer in layers] == ["Log", "Mine", "Throttle"]
    assert layers[1].given["count"] == 4  # type: ignore[attr-defined]
    assert layers[1].given["loud"] is True  # type: ignore[attr-defined]
    assert layers[2].burst == 1024  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[layer]", "s.toml: is not TOML:"),
        ("", "s.toml: no [[layer]] table"),
        ('layers = ["log"]', "s.toml: unknown key 'layers'"),
        ("layer = 3", "s.toml: no [[layer]] table"),
        ('[[layer]]\nname = "log"', 's.toml: layer 1: "use" is missing'),
        (
            '[[layer]]\nuse = "log"\n[[layer]]\nuse = "lag"',
            "s.toml: layer 2: there is no layer 'lag', did you mean log?",
        ),
        (
            '[[layer]]\nuse = "log:format=json"',
            "s.toml: layer 1: log: options of 'log:format=json' are keys of their own",
        ),
        ("[[layer]]\nuse = 3", 's.toml: layer 1: "use" is 3 and not a text'),
        ("[[layer]]\nuse = 'log'\n[[layer]\n", "(at line 3, column 8)"),
        ('[[layer]]\nuse = "throttle"\nrate = 1\nburst = 1.5', "throttle: option 'burst': 1.5 is not a size such as"),
        ('[[layer]]\nuse = "throttle"\nrate = 1\nburst = false', "throttle: option 'burst' needs a value"),
        ('[[layer]]\nuse = "mine.py"\nmode = "a"\ntext = ["a"]', "option 'text': ['a'] is not a text"),
        ('[[layer]]\nuse = "log"\nqueue = true', "s.toml: layer 1: log: option 'queue'"),
        ('[[layer]]\nuse = "log"\nqueue = 2.5', "s.toml: layer 1: log: option 'queue': 2.5 is not a whole number"),
    ],
)
def test_load_stack_refusal_names_file_and_layer(mine: str, text: str, says: str) -> None:
    Path("s.toml").write_text(text)
    with pytest.raises(LayerSpecError) as caught:
        load_stack("s.toml")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_load_stack_missing_file() -> None:
    with pytest.raises(LayerSpecError, match=r"none\.toml: cannot be read: No such file"):
        load_stack("none.toml")
