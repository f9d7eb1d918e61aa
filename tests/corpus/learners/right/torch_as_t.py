import torch as t
from time import time

t.manual_seed(1)
batch_size=64; lr=1e-1; epochs=10

true_w=t.Tensor([[4.],[-1.]])
def make(n):
    x=t.randn(n,2)
    return x, x@true_w+2+t.randn(n,1)*.1
features,labels=make(640)

def data_iter(batch_size,features,labels):
    idx=t.randperm(features.size(0))
    for i in range(0,features.size(0),batch_size):
        yield features[idx[i:i+batch_size]],labels[idx[i:i+batch_size]]
def linreg(X,w,b): return t.mm(X,w)+b
def squared_loss(y_hat,y): return .5*(y_hat-y.view_as(y_hat))**2
def sgd(params,lr,batch_size):
    for p in params:
        p.data.add_(p.grad.data,alpha=-lr/batch_size); p.grad.data.zero_()

w=t.normal(0,.01,size=(2,1)); b=t.zeros(1)
w.requires_grad_(); b.requires_grad_()
start=time()
for e in range(epochs):
    for X,y in data_iter(batch_size,features,labels):
        squared_loss(linreg(X,w,b),y).sum().backward(); sgd((w,b),lr,batch_size)
print('took %.2f s'%(time()-start), w, b, sep='\n')
