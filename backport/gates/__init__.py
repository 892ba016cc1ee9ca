"""Gates on a picked series: what each result must pass before the next step trusts it."""
