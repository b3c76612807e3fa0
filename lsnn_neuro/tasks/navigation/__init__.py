"""Navigation: the arena, the task in spikes, and episodes in a closed loop."""
