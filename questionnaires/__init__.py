"""Alliance instruments as SDC Questionnaires: what is asked and how it counts."""
