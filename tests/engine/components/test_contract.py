"""The contract's names: who answers under each, as a function, a class, or a method of a class."""

import pytest

from harness.engine.components import COMPONENTS, INITIALISATION, LOSS, MODEL, OPTIMIZER
from harness.engine.components.contract import (
    BY_ROLE,
    TARGETS,
    component_of,
    part_of,
    replaced_by,
    targets_of,
)


def test_every_component_answers_under_its_own_name():
    """First, and in their order; then under the others."""
    own = [component.name for component in COMPONENTS]
    assert list(TARGETS)[: len(own)] == own
    assert [TARGETS[name].component for name in own] == list(COMPONENTS)
    assert TARGETS["mse_loss"].component is LOSS
    assert set(BY_ROLE) == {target.role.name for target in TARGETS.values()}


@pytest.mark.parametrize(
    ("role", "parts"),
    [
        ("linreg", {"linreg": MODEL}),
        ("mse_loss", {"mse_loss": LOSS}),
        ("SGD", {"SGD": OPTIMIZER}),
        (
            "LinearRegressionScratch",
            {
                "LinearRegressionScratch.__init__": INITIALISATION,
                "LinearRegressionScratch.forward": MODEL,
                "LinearRegressionScratch.loss": LOSS,
            },
        ),
        ("nothing", {}),
    ],
)
def test_a_class_is_asked_whole_or_method_by_method(role, parts):
    """A function is one target; the class of a model is one for each of its methods."""
    assert {target.name: target.component for target in targets_of(role)} == parts
    assert all(TARGETS[name].component is component for name, component in parts.items())


def test_a_role_leads_to_its_component():
    """By its own name and by any other of the contract's."""
    for component in COMPONENTS:
        assert component_of(component.role) is component
    assert component_of(BY_ROLE["mse_loss"]) is LOSS


def test_a_class_should_do_without_what_any_of_its_methods_replaces():
    """And a function without what it replaces itself."""
    assert replaced_by(BY_ROLE["linreg"]) == ("model",)
    assert replaced_by(BY_ROLE["SGD"]) == ("update",)
    assert replaced_by(BY_ROLE["LinearRegressionScratch"]) == ("model", "model", "loss")


def test_a_name_stands_for_its_component_and_any_other_for_itself():
    """As a finding is told about."""
    assert part_of("mse_loss") == part_of("LinearRegressionScratch.loss") == "squared_loss"
    assert part_of("squared_loss") == "squared_loss"
    assert part_of("LinearRegressionScratch") == "LinearRegressionScratch"
    assert part_of("helper") == "helper"
