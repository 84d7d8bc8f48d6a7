"""Norms: what a site's own responses say of an instrument. Pure."""
