"""What happens between a question and its answer. Knows no vendor and no AWS."""
