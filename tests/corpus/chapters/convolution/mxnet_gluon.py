from mxnet.gluon import nn
from mxnet import nd, autograd

net = nn.Sequential()
net.add(nn.Conv2D(channels=6, kernel_size=5, activation="sigmoid"),
        nn.MaxPool2D(pool_size=2, strides=2),
        nn.Dense(120, activation="sigmoid"),
        nn.Dense(10))
