"""Values of rows: columns, fields and tables, formulas and summaries of them, and which values are missing."""
