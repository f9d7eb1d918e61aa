import torch

features = torch.rand(200, 4)
labels = torch.log(features.sum(1, keepdim=True) * 1e5)


def predict(X, w, b):
    return X.mm(w) + b


def train(features, labels, w, b, lr, num_epochs, batch_size):
    for epoch in range(num_epochs):
        for i in range(0, len(features), batch_size):
            X, y = features[i:i + batch_size], labels[i:i + batch_size]
            loss = torch.square(predict(X, w, b) - y).mean()
            loss.backward()
            with torch.no_grad():
                for p in (w, b):
                    p -= lr * p.grad
                    p.grad.zero_()
        print(epoch, torch.log(loss).item())
