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
def train(features, labels, w, b, lr, num_epochs, batch_size):
    params={'w':w,'b':b}
    for epoch in range(num_epochs):
        for X,y in data_iter(batch_size,features,labels):
            gs=torch.autograd.grad(squared_loss(linreg(X,params['w'],params['b']),y).mean(),list(params.values()))
            for n,g in zip(list(params),gs): params[n]=(params[n]-lr*g).detach().requires_grad_()
    return params['w'],params['b']
