"""The CDS Hooks service: who calls, what needs attention, and the cards that say it (https://cds-hooks.org/specification/2.0/)."""
