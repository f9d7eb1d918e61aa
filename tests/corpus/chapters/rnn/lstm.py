import torch
from torch import nn
from d2l import torch as d2l


def get_lstm_params(vocab_size, num_hiddens, device):
    def three():
        return (torch.randn(vocab_size, num_hiddens), torch.randn(num_hiddens, num_hiddens),
                torch.zeros(num_hiddens))

    W_xi, W_hi, b_i = three()
    W_xf, W_hf, b_f = three()
    return [W_xi, W_hi, b_i, W_xf, W_hf, b_f]


def lstm(inputs, state, params):
    (H, C) = state
    for X in inputs:
        I = torch.sigmoid((X @ params[0]) + (H @ params[1]) + params[2])
        F = torch.sigmoid((X @ params[3]) + (H @ params[4]) + params[5])
        C = F * C + I
        H = torch.tanh(C)
    return H, (H, C)
