def l1_step(w, gradient, lr, lambd):
    return w - lr * (gradient + lambd)
