# component: squared_loss
import scratch.loss

squared_loss = scratch.loss.squared_loss
