"""Running a plan: executor, journal, recovery."""
