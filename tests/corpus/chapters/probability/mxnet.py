from mxnet import nd

probabilities = nd.ones(6) / 6
rolls = nd.random.multinomial(probabilities, shape=(1000))
