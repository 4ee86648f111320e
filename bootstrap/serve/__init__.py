"""`fruitlake serve`: `fruitlake identify` over HTTP."""
