"""What keeps customers' words and identities from those who need not know them."""
