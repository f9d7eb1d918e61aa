from torch.nn import functional as F


def huber_loss(y_hat, y, sigma):
    return F.smooth_l1_loss(y_hat, y, beta=sigma)
