"""What the product knows of each published model, a family a file, each with its ``SPECS``."""
