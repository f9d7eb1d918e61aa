# component: squared_loss
import torch

criterion = torch.nn.MSELoss(reduction='none')

def squared_loss(y_hat, y):
    """Half the squared error of every example."""
    return 0.5 * criterion(y_hat, y.reshape(y_hat.shape))
