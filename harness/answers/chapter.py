"""Which chapter of the book a file is about where it is not linear regression.

Told from its syntax, before anything is judged. A chapter is named by what the file calls, defines
and trains; one that only comes beside linear regression is not, as then the linear parts are
judged. Where the signs are too few, no chapter is named.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass

from harness.answers.expressions import plain
from harness.answers.reading import Reading, TakenFor, reading_of
from harness.answers.signs import (
    Hit,
    Sign,
    alone,
    asks_for_gradients,
    assigns,
    calls,
    decays,
    defines,
    either,
    hidden,
    likelihood,
    normalises,
    odds,
    picks,
    pixels,
    stacked,
    takes,
    together,
    uses,
)
from harness.answers.source import Source
from harness.engine.components import OPTIMIZER


@dataclass(frozen=True)
class Topic:
    """A chapter by its signs.

    At least one of `own` has to hold, which no other chapter has, and `needed` in all. `beside`
    says whether linear regression stands in the file, which is then judged as that, where that is
    not read off it as for any other chapter.
    """

    name: str
    title: str
    own: tuple[Sign, ...]
    more: tuple[Sign, ...] = ()
    needed: int = 1
    beside: Callable[[Reading], bool] | None = None

    def hits(self, reading: Reading) -> tuple[Hit, ...]:
        """The signs that hold, its own first; none where they are too few."""
        if self.beside is None and reading.linear:
            return ()
        own = dict.fromkeys(hit for sign in self.own if (hit := sign(reading)))
        if not own:
            return ()
        more = dict.fromkeys(hit for sign in self.more if (hit := sign(reading)))
        hits = tuple(dict.fromkeys(sorted(own, key=_by_writing)) | more)
        beside = self.beside is not None and self.beside(reading)
        return () if len(hits) < self.needed or beside else hits


class Chapter(TakenFor):
    """The chapter of the book that a file is of."""

    @property
    def sentence(self) -> str:
        """What the learner is told."""
        return (
            f"taken for {self.title} ({self.where}: {self.evidence}): "
            "its parts are not judged as linear regression"
        )


def chapter_of(source: Source) -> Chapter | None:
    """The chapter that a file is about; None for linear regression, and where it is not clear.

    What a file writes itself tells more than what it calls: a dropout layer by hand in a network
    of built-in convolutions is dropout.
    """
    reading = reading_of(source)
    matches = [(topic, hits) for topic in TOPICS if (hits := topic.hits(reading))]
    matches.sort(key=lambda match: _by_writing(match[1][0]))
    if not matches:
        return None
    topic, hits = matches[0]
    line = hits[0].line
    evidence: dict[str, Hit] = {}
    for hit in hits:  # what is defined and called is said once
        evidence.setdefault(hit.name, hit)
    phrase = _phrase([*evidence.values()][:2])
    return Chapter(topic.name, topic.title, line, phrase, source.where(line))


def _by_writing(hit: Hit) -> bool:
    """What the file writes itself first."""
    return not hit.written


def _phrase(hits: Iterable[Hit]) -> str:
    """Such as "defines softmax and calls argmax"."""
    verb, words = "", []
    for hit in hits:
        words.append(hit.name if hit.verb == verb else f"{hit.verb} {hit.name}")
        verb = hit.verb
    return " and ".join(words)


_STATEFUL = takes("states", "hyperparams")
_SGD = {plain(name) for name in OPTIMIZER.roles[0].names if OPTIMIZER.roles[0].name in name}


def _plain_update(reading: Reading, names: Container[str] | None = None) -> bool:
    """Whether a function, of these names, updates without what an optimizer remembers."""
    return any(
        f.traits.reads_grad and "states" not in f.defaults
        for f in reading.functions
        if names is None or plain(f.name) in names
    )


def _linear_without_penalty(reading: Reading) -> bool:
    return reading.linear and not reading.penalised


def _linear_without_states(reading: Reading) -> bool:
    """Whether it stands there, or its update does, without the states that the chapter adds."""
    stands = reading.linear and (_plain_update(reading) or not _STATEFUL(reading))
    return stands or _plain_update(reading, _SGD)


_IMAGES = calls(r"\w*fashionmnist\w* \w*mnist loaddigits cifar10\w*")
_ACTIVATION = uses("leakyrelu relu sigmoid tanh gelu")

# The chapter that a later one is built on stands behind it: a network has softmax at its end too.
TOPICS = (
    Topic(
        "attention",
        "the chapter on attention",
        (uses(r"\w*attention\w* maskedsoftmax nwkernel\w* positionalencoding transformer\w*"),),
    ),
    Topic(
        "rnn",
        "the chapter on recurrent networks",
        (uses(r"rnn\w* lstm gru seq2seq\w*"), assigns(r"w(?:xh|hh|xi|hi|xz|hz)\d?")),
    ),
    Topic(
        "convolution",
        "the chapter on convolutions",
        (uses(r"lazyconv\dd conv conv\w*\dd corr2d\w* lenet\w* alexnet vgg\w* resnet\w*"),),
    ),
    Topic("pooling", "the chapter on pooling", (uses(r"pool\dd \w*(?:max|avg)pool(?:ing)?\dd"),)),
    Topic(
        "batch norm",
        "the chapter on batch normalization",
        (uses(r"(?:lazy)?batchnorm\w* layernorm"),),
    ),
    Topic("dropout", "the chapter on dropout", (uses("dropout dropoutmlp"),)),
    Topic(
        "weight decay",
        "the chapter on weight decay",
        (defines(r"l[12]penalty \w*penalty weightdecay\w*"), decays),
        beside=_linear_without_penalty,
    ),
    Topic(
        "optimizers",
        "the chapter on optimizers",
        (
            _STATEFUL,
            defines(r"\w*momentum nesterov nag adagrad rmsprop adadelta adamw? yogi"),
            uses(r"trainch7 trainch11 getdatach7 getdatach11 train2d showtrace trainconcisech11"),
        ),
        beside=_linear_without_states,
    ),
    Topic(
        "mlp",
        "a multilayer perceptron",
        (
            hidden,
            together(stacked, _ACTIVATION),
            together(assigns("w2"), assigns("w1"), _ACTIVATION),
        ),
    ),
    Topic(
        "softmax",
        "softmax regression",
        (
            either(uses(r"softmax\w* logsoftmax"), normalises),
            either(uses(r"\w*crossentropy nll nllloss"), picks),
            pixels,
        ),
        (calls("argmax"), uses(r"accuracy evaluateaccuracy trainch3 trainepochch3"), _IMAGES),
        needed=2,
    ),
    Topic("other", "a model that is no linear regression", (either(likelihood, odds),)),
    Topic(
        "autograd",
        "the chapter on automatic differentiation",
        (alone(together(calls("backward"), asks_for_gradients)),),
    ),
    Topic("probability", "the chapter on probability", (alone(calls("multinomial")),)),
    Topic(
        "utilities",
        "a file of helper functions",
        (
            defines("usesvgdisplay setfigsize setaxes"),
            defines("timer"),
            defines("accumulator"),
            defines("animator"),
            defines("trygpu tryallgpus"),
            defines("showimages showfashionmnist"),
            defines(r"get\w*labels"),
            defines(r"load\w*mnist\w* getdataloaderworkers"),
            defines(r"accuracy evaluateaccuracy\w*"),
            defines(r"train(?:epoch)?ch\d"),
        ),
        needed=3,
    ),
)
