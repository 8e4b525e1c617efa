"""The rules of `check --pages`: what the listed pages answered, judged next to the files that list them."""
