"""Small changes to a module of Python, each of which some test should notice.

Found in the syntax tree and made in the text, so that lines keep their numbers. What is no
judgement is left alone: docstrings, annotations, assertions, and what an f-string shows.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),  # the border, and the other side
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_LEAST = {"min": "max", "amin": "amax", "argmin": "argmax", "minimum": "maximum"}
_EXTREMES = _LEAST | {largest: least for least, largest in _LEAST.items()}


@dataclass(frozen=True)
class Mutant:
    """One change: of what kind, where, and the text before and after it."""

    kind: str
    line: int
    start: int
    stop: int
    before: str
    after: str

    def of(self, source: str) -> str:
        """The source with this change made; `start` and `stop` count its bytes."""
        text = source.encode()
        return (text[: self.start] + self.after.encode() + text[self.stop :]).decode()

    @property
    def change(self) -> str:
        """The change in one line."""
        return " → ".join(" ".join(text.split()) for text in (self.before, self.after))


def mutants(source: str) -> list[Mutant]:
    """Every change to this source, in the order of its text; each of them still parses."""
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    made = set()
    for kind, node, after in _changes(ast.parse(source)):
        assert isinstance(node, (ast.expr, ast.stmt))
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = starts[node.lineno - 1] + node.col_offset
        stop = starts[node.end_lineno - 1] + node.end_col_offset
        before = source.encode()[start:stop].decode()
        lost = "\n" * before.count("\n")  # so that what follows keeps its line
        after = f"{after[:-1]}{lost})" if isinstance(node, ast.expr) else after + lost
        made.add(Mutant(kind, node.lineno, start, stop, before, after))
    return sorted(made, key=lambda mutant: (mutant.start, mutant.stop, mutant.kind, mutant.after))


def _changes(tree: ast.Module) -> Iterator[tuple[str, ast.AST, str]]:
    """Each change as its kind, the node it replaces, and the text in its place."""
    for node, returns_bool in _judging(tree, returns_bool=False):
        if isinstance(node, ast.Return):
            yield from (("return", node, text) for text in _returns(node, returns_bool))
        elif isinstance(node, ast.stmt):
            if _sets_state(node):
                yield "statement", node, "pass"
        elif isinstance(node, ast.expr):
            for kind, changed in _expressions(node):
                yield kind, node, f"({ast.unparse(changed)})"


def _judging(node: ast.AST, *, returns_bool: bool) -> Iterator[tuple[ast.AST, bool]]:
    """All nodes that may decide something, and whether their function returns a truth value."""
    if isinstance(node, ast.FunctionDef):
        returns_bool = isinstance(node.returns, ast.Name) and node.returns.id == "bool"
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "decorator_list"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _is_talk(child):
                continue
            yield child, returns_bool
            yield from _judging(child, returns_bool=returns_bool)


def _is_talk(node: ast.AST) -> bool:
    """Docstrings, f-strings, assertions, and what only a type checker reads."""
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, (ast.JoinedStr, ast.Assert, ast.arg))


def _returns(node: ast.Return, returns_bool: bool) -> Iterator[str]:
    given = ast.unparse(node.value) if node.value else "None"
    truth = ["True", "False"] if returns_bool else ["None"]
    yield from (f"return {value}" for value in truth if value != given)


def _sets_state(node: ast.stmt) -> bool:
    """Whether this is an assignment of one line to what outlives the function, or adds to it."""
    if node.lineno != node.end_lineno:
        return False
    targets = node.targets if isinstance(node, ast.Assign) else []
    state = any(isinstance(target, (ast.Attribute, ast.Subscript)) for target in targets)
    return state or isinstance(node, ast.AugAssign)


def _expressions(node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Compare):
        for at, operator in enumerate(node.ops):
            for other in _COMPARISONS[type(operator)]:
                ops = [*node.ops[:at], other(), *node.ops[at + 1 :]]
                yield "comparison", ast.Compare(node.left, ops, node.comparators)
    elif isinstance(node, ast.BoolOp):
        turned = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield "and/or", ast.BoolOp(turned, node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.Invert)):
        yield "not", node.operand
    elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC and not _is_text(node):
        yield "arithmetic", ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right)
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        for value in _numbers(node.value):  # type: ignore[arg-type]
            yield "constant", ast.Constant(value)
    elif isinstance(node, ast.Call):
        yield from (("extreme", call) for call in _turned(node))


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in (node.left, node.right)
    )


def _numbers(value: float) -> Sequence[float]:
    """Twice and half as much; a whole number stays one, and 0 and 1 take their neighbours."""
    if isinstance(value, int):
        return {0: [1], 1: [0, 2]}.get(value, [value * 2, value // 2])
    return [value * 2, value / 2] if value else [1.0]


def _turned(call: ast.Call) -> Iterator[ast.Call]:
    """The same call of the other extreme: `max` for `min`."""
    called = call.func
    if isinstance(called, ast.Name) and called.id in _EXTREMES:
        yield ast.Call(ast.Name(_EXTREMES[called.id]), call.args, call.keywords)
    elif isinstance(called, ast.Attribute) and called.attr in _EXTREMES:
        other = ast.Attribute(called.value, _EXTREMES[called.attr])
        yield ast.Call(other, call.args, call.keywords)
