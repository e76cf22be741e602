"""HTTP servers that stand in for the vendors: they speak the vendors' protocols and never import the product.

Because nothing here shares code with the product, each simulator is an independent reading of a vendor's
documentation, and a disagreement between the two sides shows up as a failing test.
"""
