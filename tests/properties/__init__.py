"""The scheduler's decisions in a model world: virtual time, no I/O, everything lost, doubled and killed that can be.

The decisions are the real ones (`brain.py` is the only module that touches them); so are the gateways' rules about
offers, sessions and updates. Tables, bus, machines and people are models. What must hold, whatever happens, is in
`promises.py`. Two tests live in this world: `test_promises.py` lets hypothesis choose what happens, and `simulation`
runs thousands of bots for hours of virtual time.

What is assumed, because the design rests on it:
- A bot is ours: it asks before it starts a process, and has stopped it within the run's ping tolerance and grace period
  after the last answer it got. Both, with the time between two words about a run, fit into tolerance and margin.
- A machine that is gone has no processes any more.
- While a scheduler is connected to the broker, of the words about one run no more than two in a row are lost, and none
  is very late.
"""
