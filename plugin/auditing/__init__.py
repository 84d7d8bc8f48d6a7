"""What an auditor asks of the ledger: search, the chain behind one number, the log's state, reviews by sample. Reads only."""
