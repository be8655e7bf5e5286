"""One model call and its manners: what it says, what it costs, when it may start."""
