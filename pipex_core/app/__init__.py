"""Settings, wiring and the functions behind the facade."""
