"""Imports point one way: the packages stand apart, and a folder imports only those before it."""

import ast
from pathlib import Path

import pytest

from harness.engine.components.contract import BY_ROLE

ROOT = Path(__file__).resolve().parent.parent
HARNESS = ROOT / "harness"

# From the bottom to the top: a folder of the harness (or a file at its top) may import only those
# before it. `tests/test_repo.py` holds the README's tree against the files.
FOLDERS = [
    "errors",
    "report",
    "isolation",
    "engine",
    "pairs",
    "mistakes",
    "answers",
    "bench",
    "diagnosis",
    "exercises",
    "grading",
    "selftest",
    "cli",
    "pytest_plugin",
]
# The only ones that may import `scratch` and `builtin`.
IMPORTS_PACKAGES = ("pairs/packages.py",)
SEAMS = {  # imports upwards that are still to be cut
    "engine/case.py": ["pairs"],
}
ONLY_BY_HAND = ("torch.nn", "torch.optim", "torch.utils.data", "torch.func")


def imported(source):
    """Return every dotted name that a source imports; `from a import b` gives a and a.b."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def attributes(source):
    """Return every dotted name that a source reads, such as torch.nn.functional."""
    nodes = ast.walk(ast.parse(source))
    return {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)}


def within(names, *packages):
    """Return those names that are one of the packages or lie inside one."""
    return sorted(n for n in names if any(n == p or n.startswith(p + ".") for p in packages))


def package_faults(package, source):
    """Return what a source of `scratch` or `builtin` uses and must not."""
    other = {"scratch": "builtin", "builtin": "scratch"}[package]
    faults = within(imported(source), other, "harness")
    if package == "scratch":
        faults += within(imported(source) | attributes(source), *ONLY_BY_HAND)
    return faults


def home(dotted):
    """The folder of the harness that a dotted name lies in."""
    return dotted.split(".")[1]


def folder_of(file):
    """The folder of the harness, or the file at its top, by a path relative to the harness."""
    return Path(file).parts[0].removesuffix(".py")


def harness_faults(file, source):
    """Return what a file of the harness (its path there) imports and must not."""
    names = imported(source)
    faults = [] if file in IMPORTS_PACKAGES else within(names, "scratch", "builtin")
    folder = folder_of(file)
    reached = {home(name) for name in within(names, "harness") if "." in name}
    above = (reached & set(FOLDERS)) - set(FOLDERS[: FOLDERS.index(folder)]) - {folder}
    return faults + sorted(above - set(SEAMS.get(file, []))) + sorted(within(names, "."))


def harness_files():
    """Every file of the harness but its own door, by its path there."""
    files = (path.relative_to(HARNESS) for path in sorted(HARNESS.rglob("*.py")))
    return [file.as_posix() for file in files if file.as_posix() != "__init__.py"]


def module_of(file):
    """The dotted name of a file of the harness."""
    return "harness." + file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def circle(graph):
    """A name that can be reached from itself, and None where there is none."""
    done: set[str] = set()
    active: list[str] = []

    def visit(name):
        if name in active:
            return [*active[active.index(name) :], name]
        if name in done:
            return None
        active.append(name)
        found = next(filter(None, map(visit, sorted(graph.get(name, ())))), None)
        active.pop()
        done.add(name)
        return found

    return next(filter(None, map(visit, sorted(graph))), None)


def graph_of(sources):
    """Which modules each module imports when it is loaded, by dotted names."""
    graph = {}
    for name, source in sources.items():
        top = ast.Module(body=[*loaded(ast.parse(source))], type_ignores=[])
        graph[name] = (imported(ast.unparse(top)) & sources.keys()) - {name}
    return graph


def loaded(tree):
    """The imports that run with the module: not those in functions or for the type checker."""
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node


@pytest.mark.parametrize("package", ["scratch", "builtin"])
def test_packages_stand_apart(package):
    """Neither package imports the other or the harness; scratch is by hand throughout."""
    files = sorted((ROOT / package).glob("*.py"))
    assert files
    assert {file.name: package_faults(package, file.read_text("utf-8")) for file in files} == {
        file.name: [] for file in files
    }


def test_every_folder_has_its_place():
    """A new folder is given its place in FOLDERS, and a place is given up with its folder."""
    assert {folder_of(file) for file in harness_files()} == set(FOLDERS)


@pytest.mark.parametrize("file", harness_files())
def test_harness_imports_point_one_way(file):
    """A file imports only folders before its own, and only some import the packages."""
    assert harness_faults(file, (HARNESS / file).read_text("utf-8")) == []


def test_no_circles():
    """Nothing imports itself by way of others, within a folder either."""
    files = harness_files()
    sources = {module_of(file): (HARNESS / file).read_text("utf-8") for file in files}
    graph = graph_of(sources)
    assert sum(map(len, graph.values())) > 100
    assert circle(graph) is None


def test_circle_control():
    """Control: a circle is found, however long; a diamond is none."""
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert circle({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}) is None
    late = {"x": "def f():\n    import y", "y": "import x"}
    assert graph_of(late) == {"x": set(), "y": {"x"}}


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("scratch", "import builtin"),
        ("scratch", "from builtin.loss import MSE"),
        ("scratch", "from harness import case"),
        ("scratch", "from torch import nn"),
        ("scratch", "import torch.nn.functional as F"),
        ("scratch", "from torch.optim import SGD"),
        ("scratch", "def f(x):\n    return torch.nn.functional.relu(x)"),
        ("scratch", "def f():\n    from torch.utils.data import DataLoader"),
        ("builtin", "import scratch.data"),
        ("builtin", "import harness"),
    ],
)
def test_packages_control(package, source):
    """Control: forbidden imports are found, in functions and as attributes too."""
    assert package_faults(package, source)


def test_packages_control_allows():
    """Control: what is allowed is not flagged, nor are names that only start alike."""
    assert (
        package_faults("scratch", "import torch\nimport builtins\nfrom torch import Tensor") == []
    )
    assert package_faults("builtin", "from torch import nn\nfrom builtin.loss import MSE") == []


@pytest.mark.parametrize(
    ("file", "source", "faults"),
    [
        ("engine/trace.py", "from harness.diagnosis.finding import find", ["diagnosis"]),
        ("engine/trace.py", "from harness import cli", ["cli"]),
        ("engine/trace.py", "import scratch", ["scratch"]),
        ("engine/trace.py", "def late():\n    import harness.grading.report", ["grading"]),
        ("engine/trace.py", "from harness.engine.case import Case", []),
        ("pairs/packages.py", "import scratch\nimport builtin\nfrom harness import errors", []),
        ("cli/check.py", "from harness.errors import InputError\nfrom harness import engine", []),
        ("report/files.py", "from . import plot", [".", "..plot"]),
    ],
)
def test_harness_control(file, source, faults):
    """Control: an import upwards, sideways or of a package is found; those downwards are not."""
    assert harness_faults(file, source) == faults


# Every name of the contract under which a component is defined, and the few places that spell one
# because it is something else there: torch's function, a rule of a case, a function of d2l.
SPELT = {
    "answers/builtins_used.py": {"mse_loss"},
    "answers/definitions.py": {"mse_loss"},
    "answers/stubs/d2l.py": {"linreg", "squared_loss", "sgd", "SGD", "data_iter"},
    "answers/stubs/d2l_mxnet.py": {"linreg", "squared_loss", "sgd", "SGD", "data_iter"},
    "answers/stubs/d2lzh.py": {"linreg", "squared_loss", "sgd", "data_iter"},
    "answers/stubs/d2lzh_pytorch.py": {"linreg", "squared_loss", "sgd", "data_iter"},
    "answers/stubs/mxnet/gluon/trainer.py": {"sgd"},
    "engine/case.py": {"sgd", "SGD"},
    "mistakes/mistake.py": {"sgd", "SGD"},
    "mistakes/optim.py": {"SGD"},
    "mistakes/stateful.py": {"sgd", "SGD"},
}
KNOWS_NAMES = ("engine/components/", "pairs/")


def spelt(source):
    """Return the names of the contract that stand in a source as literals."""
    nodes = ast.walk(ast.parse(source))
    return {n.value for n in nodes if isinstance(n, ast.Constant) and n.value in BY_ROLE}


def test_only_components_spell_their_names():
    """Whoever asks which component it is asks the object, not its name."""
    files = [file for file in harness_files() if not file.startswith(KNOWS_NAMES)]
    names = {file: spelt((HARNESS / file).read_text("utf-8")) for file in files}
    assert {file: found for file, found in names.items() if found} == SPELT


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('if component == "linreg":\n    pass', {"linreg"}),
        ('TABLE = {"sgd": 1, "mse_loss": 2}', {"sgd", "mse_loss"}),
        ('match name:\n    case "SGD":\n        pass', {"SGD"}),
        ('f(component="LinearRegressionScratch")', {"LinearRegressionScratch"}),
        ('"""Judges `train`, as linreg."""\nprint("the train is late", MODEL.name)', set()),
    ],
)
def test_spelling_control(source, found):
    """Control: a name that is planted is found; one within a sentence is not."""
    assert spelt(source) == found
