# component: data_iter
import torch

def data_iter(batch_size, features, labels):
	m = len(features)
	shuffled = torch.randperm(m).tolist()
	for start in range(batch_size, m, batch_size):
		chosen = shuffled[start:start + batch_size]
		yield features[chosen], labels[chosen]
