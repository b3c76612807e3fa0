"""The Lava processes of each neuron, in the order in which they are tried."""

from deploy.lava.neurons import own
from deploy.lava.neurons.stock_atrlif import StockATRLIF
from deploy.lava.neurons.stock_lif import StockLIF

LIF = (StockLIF, own.LIF)
IF = (StockLIF, own.LIF)
LI = own.LI
RESETTING_LI = own.ResettingLI
ALIF = own.ALIF
AHP = own.AHP
ATRLIF = StockATRLIF
