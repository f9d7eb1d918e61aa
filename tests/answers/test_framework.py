"""The framework that a file computes with; what it only imports or loads data by is none."""

import pytest

from harness.answers.framework import framework_of
from harness.answers.source import read

STAND_IN = "its parts are judged through a stand-in over torch"
TORCH = "import torch\ndef linreg(X, w, b):\n    return torch.matmul(X, w) + b\n"


def framework(code):
    """The name and the line for some code."""
    taken = framework_of(read(code.encode(), "answer.py"))
    return (taken.name, taken.line) if taken else None


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("from mxnet import autograd, np\ny = np.dot(X, w)", ("mxnet", 1)),
        ("import random\nfrom mxnet import nd\ny = nd.dot(X, w)", ("mxnet", 2)),
        ("import mxnet as mx\ny = mx.nd.dot(X, w)", ("mxnet", 1)),
        ("from d2l import mxnet as d2l\nd2l.synthetic_data(w, b, 9)", ("mxnet", 1)),
        ("import d2lzh as d2l\nd2l.sgd(params, lr, 1)", ("mxnet", 1)),
        ("from mxnet import nd\ndef linreg(X, w, b):\n    return X @ w + b", ("mxnet", 1)),
        ("from mxnet import *\ny = nd.dot(X, w)", ("mxnet", 1)),
        ("from mxnet.gluon import nn\nnet = nn.Dense(1)", ("mxnet", 1)),
        ("import tensorflow as tf\ny = tf.matmul(X, w)", ("tensorflow", 1)),
        ("import tensorflow\ny = tensorflow.matmul(X, w)", ("tensorflow", 1)),
        ("from d2l import tensorflow as d2l\nd2l.sgd(p, g, lr, 1)", ("tensorflow", 1)),
        ("from tensorflow import keras\nnet = keras.layers.Dense(1)", ("tensorflow", 1)),
        ("from tensorflow.keras import layers\nnet = layers.Dense(1)", ("tensorflow", 1)),
        ("def f(x):\n    import tensorflow as tf\n    return tf.square(x)", ("tensorflow", 2)),
        ("import jax.numpy as jnp\ny = jnp.dot(X, w)", ("jax", 1)),
        ("import jax\nfrom jax import numpy as np\ng = jax.grad(f)", ("jax", 1)),
        ("from jax import grad, jit\ng = grad(f)", ("jax", 1)),
        ("from d2l import jax as d2l\nd2l.plot(x)", ("jax", 1)),
        ("import torch\nimport tensorflow as tf\ny = tf.matmul(X, w)", ("tensorflow", 2)),
    ],
)
def test_a_framework_is_told_by_the_line_of_its_import(code, expected):
    assert framework(code) == expected


@pytest.mark.parametrize(
    "code",
    [
        TORCH,
        "import numpy as np\nimport torch\ny = np.dot(X, w)",
        "import numpy as np\ny = np.dot(X, w)",
        "from d2l import torch as d2l\nd2l.sgd(p, lr, 1)",
        "from d2lzh_pytorch import *\n" + TORCH,
        "from torch.utils.tensorboard import SummaryWriter\nw = SummaryWriter()\n" + TORCH,
        "from tensorboardX import SummaryWriter\nw = SummaryWriter()\n" + TORCH,
        "import tensorflow as tf\nlog = tf.summary.create_file_writer('x')\n" + TORCH,
        "import tensorflow as tf\n" + TORCH,
        "from tensorflow.keras.datasets import imdb\nimdb.load_data()\n" + TORCH,
        "import tensorflow as tf\n(X, y), _ = tf.keras.datasets.mnist.load_data()\n" + TORCH,
        "from tensorflow import keras\n(X, y), _ = keras.datasets.mnist.load_data()",
        "import tensorflow_datasets as tfds\ndata = tfds.load('wine')\n" + TORCH,
        "from mxnet import gluon\ndata = gluon.data.vision.MNIST()\n" + TORCH,
        "# import jax\nx = 'import mxnet'",
        "tf = 3\nprint(tf)",
    ],
)
def test_torch_and_numpy_are_none(code):
    assert framework(code) is None


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            "import tensorflow as tf\ny = tf.matmul(X, w)",
            "written for TensorFlow (line 1: import tensorflow as tf): its parts are not judged",
        ),
        (
            "import jax.numpy as jnp\ny = jnp.dot(X, w)",
            "written for JAX (line 1: import jax.numpy as jnp): its parts are not judged",
        ),
        (
            "from mxnet import nd\ny = nd.dot(X, w)",
            f"written for MXNet (line 1: from mxnet import nd): {STAND_IN}",
        ),
    ],
)
def test_what_is_said(code, sentence):
    taken = framework_of(read(code.encode(), "answer.py"))
    assert taken
    assert taken.sentence == sentence
