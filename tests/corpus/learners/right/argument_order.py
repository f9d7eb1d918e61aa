import torch

# data_iter(features, labels, batch_size): my order
def data_iter(features, labels, batch_size):
    order = torch.randperm(len(features))
    for i in range(0, len(order), batch_size):
        yield features[order[i:i+batch_size]], labels[order[i:i+batch_size]]

def model(w, b, X):
    return torch.matmul(X, w) + b

def loss_fn(y, y_hat):
    return (y.reshape(y_hat.shape) - y_hat)**2 / 2

def SGD(lr, params, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr*p.grad/batch_size
            p.grad.zero_()

features = torch.randn(1000, 2)
labels = features @ torch.tensor([[2.], [-3.4]]) + 4.2
labels += 0.01*torch.randn(labels.shape)

w = (torch.randn(2, 1)*0.01).requires_grad_()
b = torch.zeros(1, requires_grad=True)
for i in range(3):
    for X, y in data_iter(features, labels, 10):
        loss = loss_fn(y, model(w, b, X)).sum()
        loss.backward()
        SGD(0.03, [w, b], 10)
    print(i, loss.item())
