"""What an operator asks of a running Rapport: does it live, is it ready, what waits."""
