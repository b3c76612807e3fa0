"""Networks: a spec (float, NumPy), the one time loop, the torch module, the native kernel."""
