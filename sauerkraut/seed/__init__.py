"""What the functions of `sauerkraut.seed_api` are made of."""
