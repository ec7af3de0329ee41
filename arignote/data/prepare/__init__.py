"""From the data of a fit as it is passed to the rows of each subset, split, encoded and weighted."""
