import torch

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def get_data(n=1000):
    X = torch.randn(n, 2, device=device)
    y = X @ torch.tensor([[2.0], [-3.4]], device=device) + 4.2
    return X, y + 0.01 * torch.randn_like(y)


def get_batches(X, y, bs):
    perm = torch.randperm(len(X), device=device)
    return [(X[perm[i:i + bs]], y[perm[i:i + bs]]) for i in range(0, len(X), bs)]


def forward(X, w, b):
    return X @ w + b


def compute_loss(y_hat, y):
    return torch.mean((y_hat - y.reshape(y_hat.shape)) ** 2) / 2


def update(params, lr):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad
            p.grad = None


def train_linear_model(X, y, epochs=5, lr=0.03, bs=10):
    w = torch.normal(0, 0.01, (X.shape[1], 1), device=device, requires_grad=True)
    b = torch.zeros(1, device=device, requires_grad=True)
    for epoch in range(epochs):
        running = 0.0
        for Xb, yb in get_batches(X, y, bs):
            loss = compute_loss(forward(Xb, w, b), yb)
            loss.backward()
            update([w, b], lr)
            running += loss.item() * len(yb)
        print(f"[{epoch + 1:2d}/{epochs}] loss = {running / len(X):.5f}")
    return w, b


X, y = get_data()
w, b = train_linear_model(X, y)
print("learned:", w.flatten().tolist(), b.item())
