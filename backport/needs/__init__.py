"""Which earlier commits of upstream a pick needs, and why each."""
