"""Pipeline files: text in, checked plans out."""
