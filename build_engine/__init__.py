"""From a Q/DQ network to a plan on the board it runs on; here the part that needs no board: see ``build_engine.lint``."""
