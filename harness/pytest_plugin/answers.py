"""`--svb-answer FILE`: one test per component of an answer, judged in a worker by `grade`."""

from __future__ import annotations

import contextlib
import functools
import secrets
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.grading.grade import Grader
    from harness.grading.result import Judged

FAILING = ("fail", "error", "inconclusive")


class Answers:
    """The answer files of one session: each is checked when it is collected, in a worker."""

    def __init__(self, config: pytest.Config) -> None:
        here = config.invocation_params.dir
        self.paths = [(here / name).resolve() for name in config.getoption("svb_answer")]
        for path in self.paths:
            if not path.is_file():
                message = f"--svb-answer: {path} is no file; give the path of an answer file."
                raise pytest.UsageError(message)
        config.args += map(str, self.paths)  # so that ids and selections are those of any file
        self._ended = contextlib.ExitStack()

    @functools.cached_property
    def grader(self) -> Grader:
        """The grader of all answers, warm once it is asked for."""
        from harness.grading.grade import Grader

        return self._ended.enter_context(Grader(seed=secrets.randbelow(1 << 31)))

    @pytest.hookimpl(wrapper=True)
    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
        """Take answers out of the hands of all others, who would import them into this process."""
        others = yield
        if file_path not in self.paths:
            return others
        return [AnswerFile.from_parent(parent, path=file_path, answers=self)]

    def pytest_collection_finish(self) -> None:
        """End the worker: all is judged by now."""
        self._ended.close()

    def pytest_unconfigure(self) -> None:
        """The same where the collection was broken off."""
        self._ended.close()


class AnswerFile(pytest.File):
    """An answer: a test for each component, and one that fails where the file does not run."""

    def __init__(self, *, answers: Answers, **settings: Any) -> None:
        super().__init__(**settings)
        self.answers = answers

    def collect(self) -> Iterator[pytest.Item]:
        """Check the file, and make a test of each thing found."""
        from harness.grading.grade import Submission

        checked = self.answers.grader.check(Submission.of(self.path))
        seed = f"(seed {self.answers.grader.seed})"
        if checked.error:
            message, line = str(checked.error["message"]), checked.error["line"]
            said = f"{checked.error['type']}: {message}\n{seed}"
            yield ComponentTest.from_parent(
                self, name="loading", status="error", said=said, line=line
            )
        for component in checked.components:
            said = _in_words(component, seed)
            yield ComponentTest.from_parent(
                self, name=component.name, status=component.status, said=said, line=component.line
            )


def _in_words(component: Judged, seed: str) -> str:
    """What was found out about a component; where it is wrong, also what helps."""
    if component.status not in FAILING:
        return component.message
    where = f"line {component.line}: " if component.line else ""
    helps = [f"hint: {component.hint}"] if component.hint else []
    return "\n".join([f"{where}{component.message}", *helps, seed])


class ComponentTest(pytest.Item):
    """One component of an answer, judged already."""

    def __init__(self, *, status: str, said: str, line: int | None, **settings: Any) -> None:
        super().__init__(**settings)
        self.status, self.said, self.line = status, said, line
        if status != "pass" and status not in FAILING:
            self.add_marker(pytest.mark.skip(reason=said))

    def runtest(self) -> None:
        """Pass, or fail with what was found and a hint."""
        if self.status in FAILING:
            pytest.fail(self.said, pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The component's own line in the answer, counted from 0; its first where it has none."""
        return self.path, (self.line or 1) - 1, self.name
