import torch

def get_minibatch(batch_size, data, target):
    shuffled = torch.randperm(data.size(0))
    for start in range(0, data.size(0), batch_size):
        pick = shuffled[start:start + batch_size]
        yield data[pick], target[pick]

def linear_regression(inputs, weight, bias):
    return inputs @ weight + bias

def squared_loss(prediction, truth):
    return (prediction - truth.reshape(prediction.shape)) ** 2

def gradient_descent(variables, rate, size):
    with torch.no_grad():
        for v in variables:
            v -= rate * v.grad / size
            v.grad.zero_()

data = torch.rand(300, 3)
target = data @ torch.tensor([[1.], [2.], [3.]]) - 0.5

weight = torch.normal(0, 0.01, (3, 1), requires_grad=True)
bias = torch.zeros(1, requires_grad=True)
for it in range(6):
    for x, t in get_minibatch(30, data, target):
        squared_loss(linear_regression(x, weight, bias), t).sum().backward()
        gradient_descent([weight, bias], 0.05, 30)
