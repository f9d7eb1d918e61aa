def linreg(X, w, b):
    return X @ w + b


raise ValueError("<script>alert('loss')</script> [red]markup[/red] \x1b[2J\x1b]0;title\x07 =cmd()")
