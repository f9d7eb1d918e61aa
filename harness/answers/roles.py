"""Recognises the components of an answer in its syntax tree: by name, signature, body and use.

A role is a name of the contract; a kind is what one of its arguments means, whatever it is
called and wherever it stands. Nothing is executed here: what only running can tell (which of two
arguments is the label, whether a loss is halved) is `answer`'s to find out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, singledispatch
from typing import Any

from harness.engine.components import (
    COMPONENTS,
    DATA_ITERATOR,
    LOOP,
    LOSS,
    OPTIMIZER,
    Component,
    DataIterator,
    Initialisation,
    Loop,
    Loss,
    Model,
    Optimizer,
)
from harness.engine.components.contract import BY_ROLE, ROLES, component_of
from harness.engine.components.role import MODEL_CLASS, OPTIMIZER_CLASS, Role

NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda

# What the arguments of the contract are called.
KINDS: dict[str, tuple[str, ...]] = {
    "features": (
        "features",
        "feature",
        "X",
        "x",
        "xs",
        "X_train",
        "x_train",
        "inputs",
        "feats",
        "data",
    ),
    "labels": ("labels", "label", "y", "Y", "ys", "y_train", "targets", "target", "y_true"),
    "data": ("data", "dataset", "data_set"),
    "batch_size": ("batch_size", "bs", "batch", "batchsize", "size", "n_batch", "batch_len", "m"),
    "X": ("X", "x", "features", "feature", "inputs", "input", "data", "xs", "X_batch", "x_batch"),
    "w": ("w", "W", "weight", "weights", "theta", "wt"),
    "b": ("b", "B", "bias", "b0", "intercept"),
    "params": ("params", "parameters", "param", "ps", "weights", "theta", "model_params"),
    "y_hat": (
        *("y_hat", "yhat", "y_pred", "ypred", "pred", "preds", "prediction", "predictions", "out"),
        *("output", "outputs", "y_", "yh", "y_p", "predicted", "y_predict", "estimate", "hat_y"),
    ),
    "y": (
        *("y", "y_true", "ytrue", "label", "labels", "target", "targets", "Y", "y_real", "true"),
        *("truth", "actual", "y_batch", "ground_truth", "y_label", "y_gt", "t"),
    ),
    "grads": ("grads", "gradients", "grad", "gradient"),
    "lr": ("lr", "learning_rate", "eta", "alpha", "step_size", "rate", "lrate", "learn_rate"),
    "num_epochs": (
        *("num_epochs", "epochs", "n_epochs", "num_epoch", "epoch", "max_epochs", "nepochs"),
        *("epoch_num", "n_epoch", "epoch_count", "iterations", "n_iters"),
    ),
    "num_inputs": (
        *("num_inputs", "n_inputs", "d", "num_features", "n_features", "in_features", "dim"),
        *("input_dim", "num_input", "n_in", "n", "p", "k", "inputs", "size", "num_feats"),
    ),
    "sigma": ("sigma", "std", "stddev", "scale"),
}
for _component in COMPONENTS:
    KINDS |= _component.handed_as


_NAME, _ALIAS, _PATTERN, _ENOUGH = 30, 6, 3, 6
_NEVER = ("main", "_main", "cli", "demo")  # run the file, whatever is in them
_PRODUCTS = {"matmul", "mm", "mv", "dot", "einsum", "tensordot", "linear", "bmm", "addmm", "inner"}
_DRAWS = {"randn", "normal", "zeros", "rand", "normal_", "ones", "empty", "zeros_like", "Parameter"}
_SHUFFLES = {"shuffle", "randperm", "permutation", "DataLoader", "sample", "argsort"}
_SQUARES = {"square", "pow", "square_", "pow_", "mse_loss", "MSELoss", "abs", "dot", "norm"}


@dataclass(frozen=True)
class Signature:
    """The arguments of a function: those that it needs, and those that it may be given."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    keyword_only: tuple[str, ...] = ()

    @classmethod
    def of(cls, arguments: ast.arguments, *, method: bool = False) -> Signature:
        """The signature of a definition, without `self` where it is a method."""
        names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)][method:]
        needed = len(names) - len(arguments.defaults)
        by_name = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        forced = [a.arg for a, default in by_name if default is None]
        offered = [a.arg for a in arguments.kwonlyargs if a.arg not in forced]
        return cls(
            (*names[: max(needed, 0)], *forced),
            (*names[max(needed, 0) :], *offered),
            tuple(a.arg for a in arguments.kwonlyargs),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.required, *self.optional)


@dataclass(frozen=True)
class Found:
    """A definition at the top level of an answer: its name there and its syntax."""

    name: str
    node: Definition
    line: int

    @cached_property
    def signature(self) -> Signature:
        """What it is called with; for a class, what its constructor is called with."""
        if isinstance(self.node, ast.ClassDef):
            constructor = self.methods.get("__init__")
            return Signature.of(constructor.args, method=True) if constructor else Signature((), ())
        return Signature.of(self.node.args)

    @cached_property
    def methods(self) -> dict[str, ast.FunctionDef]:
        """The methods written in the body of a class."""
        body = self.node.body if isinstance(self.node, ast.ClassDef) else []
        return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}

    @cached_property
    def traits(self) -> Traits:
        """What its body does."""
        return Traits.of(self.node)

    @property
    def stub(self) -> bool:
        """Whether there is nothing in it yet."""
        return is_stub(self.node)


def is_stub(node: Definition) -> bool:
    """Whether a body is only a docstring, `pass`, `...` or `raise NotImplementedError`."""
    if isinstance(node, ast.Lambda):
        return isinstance(node.body, ast.Constant) and node.body.value is ...
    if isinstance(node, ast.ClassDef):
        methods = [m for m in node.body if isinstance(m, ast.FunctionDef)]
        own = [m for m in methods if m.name != "__init__"] or methods
        return all(map(is_stub, own)) and all(
            isinstance(s, ast.FunctionDef) or _empty(s) for s in node.body
        )
    return all(map(_empty, node.body))


def _empty(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Raise) and statement.exc is not None:
        raised = statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc
        return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return statement.value.value is ... or isinstance(statement.value.value, str)
    return isinstance(statement, ast.Pass)


@dataclass(frozen=True)
class Traits:
    """What a body does, as far as its syntax tells."""

    yields: bool
    differentiates: bool
    reads_grad: bool
    multiplies: bool
    squares: bool
    draws: bool
    shuffles: bool
    loops: bool
    returns_pair: bool

    @property
    def trains(self) -> bool:
        """Whether it serves, differentiates or updates: what neither model nor loss does."""
        return self.differentiates or self.yields or self.reads_grad

    @classmethod
    def of(cls, node: ast.AST) -> Traits:
        """The traits of a definition."""
        nodes = list(ast.walk(node))
        called = {name for n in nodes if isinstance(n, ast.Call) and (name := called_name(n))}
        powers = [n for n in nodes if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Pow)]
        return cls(
            yields=any(isinstance(n, ast.Yield | ast.YieldFrom) for n in nodes),
            differentiates="backward" in called or _calls_autograd(nodes),
            reads_grad=any(isinstance(n, ast.Attribute) and n.attr == "grad" for n in nodes)
            and not _calls_autograd(nodes),
            multiplies=any(isinstance(n, ast.MatMult) for n in nodes) or bool(called & _PRODUCTS),
            squares=bool(powers) or bool(called & _SQUARES),
            draws=bool(called & _DRAWS),
            shuffles=bool(called & _SHUFFLES),
            loops=any(isinstance(n, ast.For | ast.While) for n in nodes),
            returns_pair=any(
                isinstance(n, ast.Return)
                and isinstance(n.value, ast.Tuple | ast.List)
                and len(n.value.elts) == 2
                for n in nodes
            ),
        )


def called_name(call: ast.Call) -> str | None:
    """The last part of the name that is called: `backward` for `l.sum().backward()`."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else None


def _calls_autograd(nodes: Sequence[ast.AST]) -> bool:
    return any(
        isinstance(n, ast.Attribute)
        and n.attr == "grad"
        and ast.unparse(n).endswith(("autograd.grad", "func.grad"))
        for n in nodes
    )


def definitions(statements: Sequence[ast.stmt]) -> Iterator[Found]:
    """The functions, classes and named lambdas of the top level, in order.

    Those within an `if`, `try`, `with` or loop count; methods that `add_to_class` registers and
    whatever stands under `if __name__ == "__main__"` do not.
    """
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if added_to(statement) is None:
                yield Found(statement.name, statement, statement.lineno)
        elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Lambda):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    yield Found(target.id, statement.value, statement.lineno)
        elif not is_main_guard(statement):
            for block in ("body", "orelse", "handlers", "finalbody"):
                yield from definitions(getattr(statement, block, []))


def added_to(statement: ast.stmt) -> str | None:
    """The class that a function is registered with by `add_to_class(Class)`, as it is written."""
    for decorator in getattr(statement, "decorator_list", []):
        if isinstance(decorator, ast.Call) and called_name(decorator) == "add_to_class":
            return ast.unparse(decorator.args[0]) if decorator.args else None
    return None


def is_main_guard(statement: ast.stmt) -> bool:
    """Whether this is `if __name__ == "__main__":`."""
    return isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test)


@dataclass
class Uses:
    """How the names of a file are used: what is iterated, differentiated, or called as what."""

    roles: dict[str, set[Role]] = field(default_factory=dict)
    constants: dict[str, dict[str, object]] = field(default_factory=dict)
    assigned: set[str] = field(default_factory=set)
    aliases: dict[str, str] = field(default_factory=dict)
    under_no_grad: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, statements: Sequence[ast.stmt]) -> Uses:
        """Read the uses off all statements."""
        uses = cls()
        for statement in statements:
            for node in ast.walk(statement):
                uses.see(node)
        return uses

    def see(self, node: ast.AST) -> None:
        """Take in one node."""
        if isinstance(node, ast.For) and isinstance(node.iter, ast.Call):
            self._seen(node.iter, DATA_ITERATOR)
        elif isinstance(node, ast.Assign):
            self._see_assignment(node)
        elif isinstance(node, ast.Call):
            self._see_call(node)
        elif isinstance(node, ast.With) and "no_grad" in " ".join(map(ast.unparse, node.items)):
            calls = (n for n in ast.walk(node) if isinstance(n, ast.Call))
            self.under_no_grad |= {name for call in calls if (name := called_name(call))}

    def _see_assignment(self, node: ast.Assign) -> None:
        if isinstance(node.value, ast.Name):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    self.aliases[target.id] = node.value.id
        if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
            self.assigned.add(node.value.func.id)

    def _see_call(self, node: ast.Call) -> None:
        if called_name(node) == "backward" and isinstance(node.func, ast.Attribute):
            inner = node.func.value
            while isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
                inner = inner.func.value
            if isinstance(inner, ast.Call):
                self._seen(inner, LOSS)
        if isinstance(node.func, ast.Name):
            for keyword in node.keywords:
                if keyword.arg is not None and isinstance(keyword.value, ast.Constant):
                    fixed = self.constants.setdefault(node.func.id, {})
                    fixed.setdefault(keyword.arg, keyword.value.value)
            if any(isinstance(a, ast.List | ast.Tuple) and len(a.elts) == 2 for a in node.args):
                self._seen(node, OPTIMIZER)

    def _seen(self, call: ast.Call, component: Component[Any]) -> None:
        if isinstance(call.func, ast.Name):
            self.roles.setdefault(call.func.id, set()).add(component.role)

    def of_name(self, name: str) -> set[Role]:
        """The roles in which a name or one of its aliases is used."""
        names = {name} | {alias for alias, target in self.aliases.items() if target == name}
        return set().union(*(self.roles.get(n, set()) for n in names))

    def constants_of(self, name: str) -> dict[str, object]:
        """Keyword arguments that the file always gives a function as constants."""
        names = [name, *(alias for alias, target in self.aliases.items() if target == name)]
        return {k: v for n in names for k, v in self.constants.get(n, {}).items()}


def arguments(role: Role, signature: Signature) -> tuple[dict[str, str], list[str]]:
    """The kind of each argument, and the names of those that are only guessed by their place.

    Arguments that are not needed and not known are left out.
    """
    kinds: dict[str, str] = {}
    for exact in (True, False):
        for name in signature.names:
            free = [k for k in (*role.takes, *role.other) if k not in kinds.values()]
            kind = next((k for k in free if _means(name, k, exact=exact)), None)
            if name not in kinds and kind and not _excluded(kind, kinds.values()):
                kinds[name] = kind
    kinds = {n: k for n, k in kinds.items() if k != "sigma" or n in signature.required}
    if "data" in role.other and "labels" not in kinds.values():  # both in one argument
        kinds = {n: "data" if n in KINDS["data"] else k for n, k in kinds.items()}
    unknown = [name for name in signature.required if name not in kinds]
    free = [k for k in role.takes if k not in kinds.values() and not _excluded(k, kinds.values())]
    guessed = unknown if len(unknown) <= len(free) else []
    kinds |= dict(zip(guessed, free, strict=False))
    return kinds, guessed


_OR = ({"params"}, {"w", "b"}), ({"data", "loader"}, {"features", "labels"})


def _excluded(kind: str, taken: Iterable[str]) -> bool:
    """Whether something that is there already makes this argument pointless."""
    there = set(taken)
    return any(
        (kind in one and there & other) or (kind in other and there & one) for one, other in _OR
    )


def _means(name: str, kind: str, *, exact: bool) -> bool:
    if exact:
        return name in KINDS[kind]
    lowered = name.lower().strip("_")
    return any(lowered == known.lower() for known in KINDS[kind])


def score(role: Role, found: Found, uses: Uses) -> int:
    """How much speaks for a definition having a role; a likely name alone is not enough."""
    name, body = _by_name(role, found.name), _by_body(role, found)
    use = 3 * (role in uses.of_name(found.name))
    if found.name in _NEVER or (name < _ALIAS and not found.stub and body + use <= 0):
        return -1
    return name + _by_signature(role, found) + body + use


def _by_name(role: Role, name: str) -> int:
    lowered = name.lower().strip("_")
    if lowered == role.names[0]:
        return _NAME
    if lowered in role.names:
        return _ALIAS
    return _PATTERN if re.search(role.pattern, lowered) else 0


def _by_signature(role: Role, found: Found) -> int:
    kinds, guessed = arguments(role, found.signature)
    if any(name not in kinds for name in found.signature.required):
        return -5
    by_name = [k for name, k in kinds.items() if name not in guessed]
    return round(5 * len(by_name) / len(role.takes)) - len(guessed)


def _by_body(role: Role, found: Found) -> int:
    return 0 if found.stub else _does(component_of(role), found.traits)


@singledispatch
def _does(component: Component[Any], t: Traits) -> int:
    """How much a body does what such a component does, less what it never does."""
    raise TypeError(f"{component}, {t}")


@_does.register
def _serves(_: DataIterator, t: Traits) -> int:
    return 5 * t.yields + 2 * t.shuffles - 8 * (t.differentiates or t.reads_grad)


@_does.register
def _predicts(_: Model, t: Traits) -> int:
    return 3 * t.multiplies - 2 * t.loops - 8 * t.trains


@_does.register
def _measures(_: Loss, t: Traits) -> int:
    return 3 * t.squares - 8 * t.trains


@_does.register
def _updates(_: Optimizer, t: Traits) -> int:
    return 4 * t.reads_grad - 12 * (t.differentiates or t.yields)


@_does.register
def _draws(_: Initialisation, t: Traits) -> int:
    return 2 * t.draws + 2 * t.returns_pair - 6 * t.multiplies - 8 * t.trains


@_does.register
def _trains(_: Loop, t: Traits) -> int:
    return 5 * t.differentiates + 2 * t.loops - 8 * t.yields


@dataclass(frozen=True)
class Assigned:
    """A definition given a role, with the kinds of its arguments and which are guessed."""

    role: Role
    found: Found
    kinds: dict[str, str]
    guessed: list[str]


def assign(
    found: Sequence[Found], uses: Uses, mapped: dict[str, str]
) -> tuple[dict[str, Assigned], list[str]]:
    """The definition of each component, and notes on what was not clear.

    Of equal names the last counts, as in Python. `mapped` gives components their names.
    """
    last = {f.name: f for f in found}
    functions = [f for f in last.values() if not isinstance(f.node, ast.ClassDef) or _iterates(f)]
    taken = set(mapped.values())
    roles: dict[str, Assigned] = {}
    notes: list[str] = []
    for component, name in mapped.items():
        if name in last and component in BY_ROLE:
            roles[component] = _assigned(BY_ROLE[component], last[name])
    ranked = sorted(
        (
            (points, -order, role, f)
            for role in ROLES
            if role.name not in roles
            for order, f in enumerate(functions)
            if f.name not in taken and (points := score(role, f, uses)) >= _ENOUGH
        ),
        key=lambda entry: entry[:2],
        reverse=True,
    )
    best: dict[str, int] = {}
    for points, _, role, f in ranked:
        if f.name in taken:
            continue
        if role.name not in roles:
            roles[role.name] = _assigned(role, f)
            taken.add(f.name)
            best[role.name] = points
        elif points == best.get(role.name):
            chosen = roles[role.name].found.name
            notes.append(
                f"both {chosen} and {f.name} could be {role.name}: took {chosen}; "
                f"--map {role.name}={f.name} takes the other"
            )
    return roles, notes


def _iterates(found: Found) -> bool:
    return "__iter__" in found.methods or "__getitem__" in found.methods


def _assigned(role: Role, found: Found) -> Assigned:
    kinds, guessed = arguments(role, found.signature)
    return Assigned(role, found, kinds, guessed)


def added_methods(statements: Sequence[ast.stmt]) -> dict[str, dict[str, ast.FunctionDef]]:
    """The methods that `add_to_class` registers, by class; of equal names the last counts."""
    added: dict[str, dict[str, ast.FunctionDef]] = {}
    for statement in statements:
        owner = added_to(statement)
        if owner and isinstance(statement, ast.FunctionDef):
            added.setdefault(owner, {})[statement.name] = statement
    return added


def methods_of(
    found: Found, added: dict[str, dict[str, ast.FunctionDef]], all_found: Sequence[Found]
) -> dict[str, ast.FunctionDef]:
    """The methods of a class: those of its bases in the file, its own, and those added."""
    bases = {ast.unparse(base) for base in getattr(found.node, "bases", [])}
    methods: dict[str, ast.FunctionDef] = {}
    for other in all_found:
        if other.name in bases and other is not found:
            methods |= methods_of(other, added, all_found)
    methods |= found.methods
    if "__post_init__" in methods:
        methods["__init__"] = methods["__post_init__"]
    if "__call__" in methods:
        methods.setdefault("forward", methods["__call__"])
    return methods | added.get(found.name, {})


TRAINER = Role(("Trainer",), "", ("num_epochs",), ("lr",))


def models(
    found: Sequence[Found], added: dict[str, dict[str, ast.FunctionDef]]
) -> dict[str, Found]:
    """The classes of the object form by their roles' names: a model, an optimizer, a `TRAINER`."""
    chosen: dict[str, tuple[int, Found]] = {}
    for f in found:
        if not isinstance(f.node, ast.ClassDef):
            continue
        for component, points in _class_points(f.name, methods_of(f, added, found)).items():
            if points > 4 and points >= chosen.get(component, (0,))[0]:
                chosen[component] = (points, f)
    return {component: f for component, (_, f) in chosen.items()}


def _class_points(name: str, methods: dict[str, ast.FunctionDef]) -> dict[str, int]:
    lowered, names = name.lower(), methods.keys()
    linear = bool(re.search(r"linear|linreg|regress", lowered))
    other = bool(names & {"fit_epoch", "step", "__iter__", "get_dataloader"})
    holds = _holds_parameters(methods)
    return {
        MODEL_CLASS.name: 10 * (name == MODEL_CLASS.name)
        + (4 * linear + 3 + 2 * ("loss" in names)) * holds
        - 9 * other,
        OPTIMIZER_CLASS.name: 10 * (name == OPTIMIZER_CLASS.name)
        + (4 * bool(re.search(r"sgd|optim|descent", lowered)) + 3) * ("step" in names),
        TRAINER.name: 4 * (LOOP.name in lowered) + 5 * bool(names & {"fit", "fit_epoch"}),
    }


def _holds_parameters(methods: dict[str, ast.FunctionDef]) -> bool:
    """Whether a class predicts from its features alone: the parameters are its own."""
    if "__init__" not in methods or "forward" not in methods:
        return False
    return len(Signature.of(methods["forward"].args, method=True).required) == 1
