"""An abstract base class and one child; the instance is the model."""
from abc import ABC, abstractmethod

import torch


class Model(ABC):
    def __call__(self, *args):
        return self.forward(*args)

    @abstractmethod
    def forward(self, *args):
        pass


class LinReg(Model):
    def forward(self, X, w, b):
        return torch.matmul(X, w) + b


linreg = LinReg()
