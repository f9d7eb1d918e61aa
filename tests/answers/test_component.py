"""A piece is called by what its arguments mean, in whatever order and under whatever names."""

import torch

from harness.answers.component import made, reads_of
from harness.engine.components.contract import BY_ROLE


def piece(component, function, constants=None, reads=()):
    return made(
        BY_ROLE[component],
        "f",
        function,
        1,
        stub=False,
        constants=constants or {},
        reads=set(reads),
    )


def test_order_does_not_matter():
    for f in (
        lambda X, w, b: (X, w, b),
        lambda w, b, X: (X, w, b),
        lambda b, inputs, weight: (inputs, weight, b),
        lambda X, *rest: (X, *rest),
    ):
        assert piece("linreg", f)(X=1, w=2, b=3, params=[2, 3]) == (1, 2, 3)


def test_positional_only_and_keyword_only():
    def first(X, w, /, *, b):
        return X, w, b

    assert piece("linreg", first)(X=1, w=2, b=3) == (1, 2, 3)


def test_wrappers_that_map_positions_only():
    f = torch.func.vmap(lambda x, w, b: (x * w.reshape(-1)).sum() + b, in_dims=(0, None, None))
    y_hat = piece("linreg", f)(X=torch.ones(3, 2), w=torch.ones(2, 1), b=torch.ones(1))
    assert y_hat.tolist() == [[3.0]] * 3


def test_parameters_as_a_list():
    assert piece("linreg", lambda X, params: (X, params))(X=1, w=2, b=3, params=[2, 3]) == (
        1,
        [2, 3],
    )


def test_constants_that_the_file_passes():
    def data_iter(batch_size, features, labels, shuffle=False):
        return shuffle

    call = {"batch_size": 1, "features": 2, "labels": 3}
    assert piece("data_iter", data_iter, {"shuffle": True})(**call) is True
    assert piece("data_iter", data_iter)(**call) is False


def test_global_names():
    namespace = {"w": 1, "b": 1}
    exec("def net(X):\n    return X * w + b", namespace)
    f = piece("linreg", namespace["net"], reads=reads_of(namespace["net"], namespace))
    assert f(X=2, w=3, b=4) == 10


def test_reads_follow_calls():
    namespace: dict[str, object] = {}
    exec(
        "def inner():\n    return deep\ndef outer():\n    return [inner() for _ in 'x']", namespace
    )
    assert {"inner", "deep"} <= reads_of(namespace["outer"], namespace)
    assert "inner" not in reads_of(namespace["inner"], namespace)


def test_what_a_call_means():
    f = piece("squared_loss", lambda y, y_hat: (y, y_hat))
    assert f.values(1, y_hat=2) == {"y": 1, "y_hat": 2}
    assert f.values(1, 2, 3) == {}


def test_grad_mode_of_the_file():
    from dataclasses import replace

    f = piece("sgd", lambda params, lr, batch_size: torch.is_grad_enabled())
    assert f(params=[], lr=1, batch_size=1) is True
    assert replace(f, no_grad=True)(params=[], lr=1, batch_size=1) is False
