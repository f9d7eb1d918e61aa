"""Imports only point down: the packages stand apart, and the harness is one chain."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# From the bottom to the top: a module may import only those before it.
LAYERS = [
    "errors",
    "lean",
    "agreement",
    "plot",
    "view",
    "environment",
    "dataset",
    "case",
    "recipe",
    "trace",
    "lockstep",
    "probe",
    "signature",
    "oracle",
    "stage",
    "examine",
    "measure",
    "rows",
    "course",
    "report",
    "comparison",
    "ruling",
    "loop_tells",
    "tells",
    "published",
    "mistake",
    "wrong_data",
    "wrong_model",
    "wrong_loss",
    "wrong_optim",
    "wrong_stateful",
    "wrong_loop",
    "wrong_init",
    "mistakes",
    "diagnosis",
    "duel",
    "variants",
    "peak",
    "bench",
    "scaling",
    "bench_view",
    "memory",
    "given",
    "exercise",
    "exercise_rules",
    "exercise_data",
    "exercise_training",
    "exercise_loss",
    "exercise_gradient",
    "exercises",
    "sandbox",
    "message",
    "wire",
    "warden",
    "source",
    "inert",
    "book",
    "stand_ins",
    "roles",
    "piece",
    "manner",
    "adapt",
    "objects",
    "understudy",
    "loop",
    "script",
    "fitting",
    "watch",
    "answer",
    "interview",
    "live",
    "worker",
    "rehearsal",
    "warm",
    "grade",
    "classroom",
    "ordeal",
    "proof",
    "check_report",
    "notebook",
    "watch_file",
    "cli",
    "pytest_plugin",
]
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


def harness_faults(module, source):
    """Return what a module of the harness imports and must not."""
    names = imported(source)
    faults = [] if module == "recipe" else within(names, "scratch", "builtin")
    below = LAYERS[: LAYERS.index(module)]
    inside = {name.split(".")[1] for name in within(names, "harness") if "." in name}
    known = {path.stem for path in (ROOT / "harness").glob("*.py")} | set(LAYERS)
    return faults + sorted((inside & known) - set(below)) + sorted(within(names, "."))


def harness_file(module):
    """Return where a module of the harness lies, written or not yet."""
    return ROOT / "harness" / f"{module}.py"


@pytest.mark.parametrize("package", ["scratch", "builtin"])
def test_packages_stand_apart(package):
    """Neither package imports the other or the harness; scratch is by hand throughout."""
    files = sorted((ROOT / package).glob("*.py"))
    assert len(files) == 6
    assert {file.name: package_faults(package, file.read_text("utf-8")) for file in files} == {
        file.name: [] for file in files
    }


def test_every_harness_module_has_a_layer():
    """A new module is given its place in LAYERS."""
    found = {path.stem for path in (ROOT / "harness").glob("*.py")} - {"__init__"}
    assert sorted(found - set(LAYERS)) == []


@pytest.mark.parametrize("module", [name for name in LAYERS if harness_file(name).exists()])
def test_harness_imports_point_down(module):
    """A module imports only those below it, and only recipe imports the packages."""
    assert harness_faults(module, harness_file(module).read_text("utf-8")) == []


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
    ("module", "source", "faults"),
    [
        ("case", "from harness.recipe import Recipe", ["recipe"]),
        ("case", "from harness import cli", ["cli"]),
        ("case", "import harness.case", ["case"]),
        ("trace", "import scratch", ["scratch"]),
        ("trace", "def late():\n    import harness.report", ["report"]),
        ("recipe", "import scratch\nimport builtin\nfrom harness.case import Case", []),
        ("cli", "from harness.errors import InputError\nfrom harness import case", []),
    ],
)
def test_harness_control(module, source, faults):
    """Control: an import upwards, sideways or of a package is found; those downwards are not."""
    assert harness_faults(module, source) == faults
