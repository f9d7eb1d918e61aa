"""What every test stands on: one copy of the code, one thread, repeatable examples."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import harness

ROOT = Path(__file__).resolve().parent.parent

# An installed distribution has named the plugin to pytest by now; a bare checkout has not.
PLUGIN = "svb_pytest"
pytest_plugins = ["pytester"] if PLUGIN in sys.modules else ["pytester", PLUGIN]

# deadline: the first call into torch takes long, and says nothing about the code under test
hypothesis.settings.register_profile("local", deadline=None, print_blob=True)
# derandomize: a red CI must be red because of the change, and red again when run again
hypothesis.settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_configure(config: pytest.Config) -> None:
    """Make sure that this process and its children read the checkout, not an installed copy."""
    found = Path(str(harness.__file__)).resolve().parent
    if found != ROOT / "harness":
        message = f"harness was imported from {found}: run `python -m pytest` from {ROOT}"
        raise pytest.UsageError(message)
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), inherited] if inherited else [str(ROOT)])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked `cuda` where there is no CUDA device; without any, load no torch."""
    marked = [item for item in items if item.get_closest_marker("cuda")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(
                pytest.mark.skip(reason="no CUDA device: torch.cuda.is_available() is False")
            )


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """One torch thread: every sum has one order, and parallel test processes do not compete."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def on_wrapped_device() -> Callable[[str], Any]:
    """Reads what `on_wrapped_device` of a folder of tests prints, as JSON, in its own process.

    In its own, because torch registers a device for the whole process and for good.
    """

    def report(folder: str) -> Any:
        command = [sys.executable, "-m", f"tests.{folder}.on_wrapped_device"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return report
