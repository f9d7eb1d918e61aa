# -*- coding: gbk -*-
# 线性回归
def linreg(X, w, b):
    return X @ w + b
