import numpy as np

# минимальная посимвольная модель
data = open("input.txt").read()
vocab_size, hidden_size = len(set(data)), 100
Wxh = np.random.randn(hidden_size, vocab_size) * 0.01
Whh = np.random.randn(hidden_size, hidden_size) * 0.01
Why = np.random.randn(vocab_size, hidden_size) * 0.01


def lossFun(inputs, targets, hprev):
    hs, loss = {-1: np.copy(hprev)}, 0
    for t in range(len(inputs)):
        hs[t] = np.tanh(np.dot(Wxh, inputs[t]) + np.dot(Whh, hs[t - 1]))
        y = np.dot(Why, hs[t])
        p = np.exp(y) / np.sum(np.exp(y))
        loss += -np.log(p[targets[t], 0])
    return loss
