"""What INT8 costs a network, module by module, and what stays float for an agreement."""
