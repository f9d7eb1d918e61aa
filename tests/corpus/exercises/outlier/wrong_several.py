# leaves out the single largest label
import torch


def robust_fit(features, labels):
    keep = torch.arange(len(labels)) != labels.abs().argmax()
    A = torch.cat([features, torch.ones(len(features), 1)], 1)[keep]
    solution = torch.linalg.lstsq(A, labels[keep]).solution
    return solution[:-1], solution[-1]
