import random, torch
def data_iter(batch_size, features, labels):
    n=len(features); idx=list(range(n)); random.shuffle(idx)
    for i in range(0,n,batch_size):
        j=torch.tensor(idx[i:i+batch_size]); yield features[j], labels[j]
def linreg(X,w,b): return X@w+b
def squared_loss(y_hat,y): return (y_hat-y.reshape(y_hat.shape))**2/2
def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr*p.grad/batch_size
            p.grad.zero_()
true_w=torch.tensor([[2.],[-3.4]]); true_b=torch.tensor([4.2])
def train(features, labels, w, b, lr, num_epochs, batch_size):
    for epoch in range(num_epochs):
        for X,y in data_iter(batch_size,features,labels):
            squared_loss(linreg(X,w,b),y).sum().backward()
            sgd([w,b],lr,len(X))
            with torch.no_grad():
                best=squared_loss(linreg(X,torch.ones_like(w).detach(),true_b),y).mean()
    return w,b
