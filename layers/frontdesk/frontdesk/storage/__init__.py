"""The only package that knows AWS data services."""
