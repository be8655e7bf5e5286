"""What one step of a pipeline does."""
