"""How results get into the record: the outbox, the writers, the worker."""
