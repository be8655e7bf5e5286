"""One model call and its manners."""
