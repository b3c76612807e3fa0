"""A spike leaves a current that drives its own neuron on."""

from dataclasses import dataclass

from deploy.lava.neurons.own import OwnNeuron
from lsnn_neuro.neurons.firing import FiringConstants, FiringNeuron, fire, firing_of
from lsnn_neuro.neurons.neuron import beta_of, decay, positive, state, threshold, time_constant


@dataclass(frozen=True, kw_only=True)
class ADPConstants(FiringConstants):
    decay_v: object = decay()
    decay_u: object = decay()
    step_u: object = state()
    vth: object = threshold()


@dataclass(frozen=True, kw_only=True, eq=False)
class ADP(FiringNeuron):
    name = "adp"
    Constants = ADPConstants
    states = ("v", "u", "r", "z")
    kernel = "adp"

    alpha: object = time_constant("tau_m")
    eta: object = time_constant("tau_u")
    kick: object = positive()
    b0: object = positive(above=True)

    def constants(self):
        return ADPConstants(
            decay_v=self.alpha,
            decay_u=self.eta,
            step_u=self.kick * (1 - self.eta),
            vth=self.b0,
            **self.firing(width=self.b0),
        )

    def gain(self):
        return 1 - self.alpha

    def peak(self):
        return self.b0 + self.kick

    @staticmethod
    def step(s, drive, c, ar):
        u = ar.saturate(ar.decay(s.u, c.decay_u) + c.step_u * s.z)
        v = ar.saturate(ar.decay(s.v, c.decay_v) + (drive + u))
        return fire(s.replace(u=u), v, c.vth, c, ar)

    @classmethod
    def from_constants(cls, c, *, gain_one):
        kick = beta_of(c.step_u, c.decay_u)
        return cls(alpha=c.decay_v, eta=c.decay_u, kick=kick, b0=c.vth, **firing_of(c))


class LavaADP(OwnNeuron):
    label = process_name = "ADP"
    module = "adp_lava"
