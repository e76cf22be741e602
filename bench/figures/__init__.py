"""One module a figure, each with one function `measure` that returns its rows of the table."""
