"""The programs: one file per family, all registered in registry.py."""
