data_iter = "a generator"
linreg = 3.14
squared_loss = None
sgd = [1, 2, 3]
train = {"epochs": 3}
