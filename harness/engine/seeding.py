"""What of the process a run changes, and puts back: generators, dtype, grad mode, kernels, threads.

Nothing here trains or judges.
"""

from __future__ import annotations

import gc
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def old_objects_left_alone() -> Iterator[None]:
    """Keep the garbage collector from scanning all of torch again whenever much is held."""
    if gc.get_freeze_count():  # within another of these: what is new since is still collected
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def seed_all(seed: int) -> None:
    """Seed the global generators of random, NumPy and torch, on the CPU and on CUDA.

    Not by `torch.manual_seed`, which without CUDA keeps a trace of its caller for later, each time.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(seed)


@contextmanager
def determinism(seed: int) -> Iterator[None]:
    """Seed every global generator and ask for deterministic kernels; put all back at the end.

    Restored: the global generators of torch (CPU and CUDA), NumPy and random, the default dtype,
    the grad mode, TF32, deterministic algorithms and the number of threads.
    """
    saved = (random.getstate(), np.random.get_state(), torch.get_rng_state())
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    dtype, threads, grad = (
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
    )
    precision = torch.get_float32_matmul_precision()
    cudnn = torch.backends.cudnn.allow_tf32
    strict = torch.get_deterministic_debug_mode()
    workspace = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    try:
        seed_all(seed)
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # as use_deterministic_algorithms(True, warn_only=True), which imports the compiler first
        torch.set_deterministic_debug_mode("warn")
        yield
    finally:
        random.setstate(saved[0])
        np.random.set_state(saved[1])
        torch.set_rng_state(saved[2])
        if cuda:
            torch.cuda.set_rng_state_all(cuda)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.allow_tf32 = cudnn
        torch.set_deterministic_debug_mode(strict)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        if workspace is None:
            os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)
