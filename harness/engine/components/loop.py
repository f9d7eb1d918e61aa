"""The training loop: everything else to trained parameters."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace
from functools import lru_cache

import torch

from harness.engine.case import Case
from harness.engine.components.component import ComponentVerdict, Fit, Matched, Question
from harness.engine.components.role import Role
from harness.engine.components.signature import Signature, close
from harness.engine.pair import Pair
from harness.engine.raised import Raised
from harness.engine.recipe import Convention, Recipe
from harness.engine.recorder import Recorder
from harness.engine.seeding import determinism
from harness.engine.trace import Chunk, Run


class RunawayError(Exception):
    """A loop that goes on far beyond the steps it was asked for."""


class Loop(Matched[Run]):
    """What serves, predicts, differentiates and updates, epoch after epoch."""

    name = "train"
    piece = "loop"
    heading = "The training loop: `train`"
    roles = (
        Role(
            (
                *("train", "fit", "train_model", "training_loop", "run_training", "train_loop"),
                *("train_linreg", "do_train", "training"),
            ),
            r"train|fit|learn",
            ("features", "labels", "w", "b", "lr", "num_epochs", "batch_size"),
            ("params", "net", "loss", "update", "batches", "loader", "data", "sigma"),
        ),
    )
    replaces = ("model", "loss", "update", "data")
    reply_type = Run
    facts_first = True  # they are soon read, and say more than whose values it has

    def cases(self, pair: Pair, form: str, fit: Fit) -> tuple[Case, ...]:
        """As the loop can be asked them."""
        return fit.cases(super().cases(pair, form, fit))

    # How it is asked.

    def reply(self, recipe: Recipe, question: Question, seed: int) -> Run:
        """The whole run."""
        del seed
        return _run(recipe, question, 4 * question.case.total_steps + 16)

    def glance(self, recipe: Recipe, question: Question, steps: int) -> Run:
        """The first updates."""
        with determinism(question.case.seed):
            return _run(recipe, question, steps)

    # What a reply comes to.

    def as_replied(self, question: Question, reply: Run) -> Question:
        """The question with the micro-batches that the loop really made."""
        if reply.chunk is None:
            return question
        sizes = {part.shape[1] for lane in reply.chunk.lanes for part in lane.columns()[1][:1]}
        parts = {len(lane.columns()[1]) for lane in reply.chunk.lanes}
        whole = parts <= {0, 1} or question.case.form == "functional" or not sizes
        return _with_micro_batches(question, None if whole else max(sizes))

    def judge(
        self, question: Question, reply: Run, subject: Recipe, reference: Recipe
    ) -> ComponentVerdict:
        """Replayed by the reference on the rows that it was given, step by step."""
        # not loaded where an answer is only asked
        from harness.engine.components.loop_judge import judge_run

        return judge_run(question, reply, subject, reference)

    def signatures(
        self, question: Question, reply: Run, convention: Convention
    ) -> Iterator[Signature]:
        """In its own convention, and with a loss per example averaged by the loop itself."""
        del question
        yield self.signature(reply, convention)
        if convention.reduction == "none":
            yield self.signature(reply, replace(convention, reduction="mean"))

    def signature(self, run: Run, convention: Convention) -> Signature:
        """What was updated when, from which values to which.

        Gradients are taken in units of the mean squared error, as `convention` says.
        """
        raised = run.raised
        failure = (raised.kind, raised.message, raised.epoch, raised.step) if raised else None
        facts: list[Hashable] = [tuple(run.epochs), failure]
        if run.chunk is None:
            return Signature(tuple(facts), (run.final.reshape(1, -1),))
        chunk = run.chunk
        values = [chunk.after, run.final.reshape(1, -1)]
        facts.append(tuple(chunk.places))
        for lane in chunk.lanes:
            batch, predictions, losses, _ = lane.columns()
            facts.append((len(predictions), len(losses), tuple(lane.positions)))
            factor = convention.gradient_factor(batch[0].shape[1]) if batch[0].numel() else 1.0
            values += [*predictions, *losses, chunk.gradient[lane.positions] / factor]
        entered = [value for k, (value, _) in sorted(run.entered.items()) if k < len(chunk)]
        if entered:
            values.append(torch.stack(entered))
        return Signature(tuple(facts), tuple(values))

    def begins_like(self, question: Question, reply: Run, beginning: Run, right: Signature) -> bool:
        """As in `Matched`, by the places and the parameters of the first updates."""
        if reply.chunk is None or beginning.chunk is None:
            return (reply.chunk is None) == (beginning.chunk is None)
        steps = len(beginning.chunk)
        if reply.chunk.places[:steps] != beginning.chunk.places:
            return False
        size, after = right.values[0][:steps], reply.chunk.after[:steps]
        return close(after, beginning.chunk.after, question.case.torch_dtype, size)


def _run(recipe: Recipe, question: Question, most: int) -> Run:
    """A loop's run, which ends with an exception where it makes as many updates as `most`."""
    case, data = question.case, question.data
    chunks: list[Chunk] = []

    def full(chunk: Chunk) -> None:
        chunks.append(chunk)
        if len(chunk) == most:
            raise RunawayError(f"the loop goes on after {most} updates, {case.total_steps} asked")

    recorder = Recorder(most, full, case.pair.shapes(case), copy=True)
    side = recipe.build(case, data, recorder)
    raised = None
    try:
        side.fit()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a loop may raise what it likes
        raised = Raised.by(error, *recorder.raising)
    recorder.close()
    final = torch.cat([leaf.detach().reshape(-1) for leaf in side.parameters()])
    return Run(chunks[0] if chunks else None, recorder.epoch_steps, recorder.entered, final, raised)


@lru_cache(maxsize=512)
def _with_micro_batches(question: Question, rows: int | None) -> Question:
    if question.case.micro_batch_size == rows:
        return question
    return replace(question, case=replace(question.case, micro_batch_size=rows))


def trained(run: Run) -> Run:
    """Without the epochs in which nothing was trained, such as those of an evaluation."""
    if not run.chunk:
        return run
    updated = {epoch for epoch, _ in run.chunk.places}
    kept = [e for e, batches in enumerate(run.epochs) if e in updated or not batches]
    number = {epoch: at for at, epoch in enumerate(kept)}
    places = [(number.get(epoch, 0), step) for epoch, step in run.chunk.places]
    epochs = [run.epochs[epoch] for epoch in kept]
    return replace(run, chunk=replace(run.chunk, places=places), epochs=epochs)
