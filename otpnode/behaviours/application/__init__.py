"""Applications: trees that are started by name, after those they depend on."""
