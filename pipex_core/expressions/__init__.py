"""The expression language: one engine for templates, conditions, transforms and gates."""
