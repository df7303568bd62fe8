"""Where clips come from, what is known of them, and which of them teach and test."""
