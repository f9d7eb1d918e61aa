import torch


def scaled_dot_product_attention(q, k, v, mask=None):
    # 注意力分数
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(mask == 0, float("-inf"))
    return scores.softmax(-1) @ v
