"""Language models that run in this process, from weights that are here."""
