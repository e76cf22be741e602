"""What a person runs around Frontdesk: building, deploying, and the local run."""
