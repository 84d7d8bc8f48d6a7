"""HTTP: a handler parses, calls one function, answers."""
