# Thin on purpose: set-up here, everything else in `.venv/bin/backport`.
