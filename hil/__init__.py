"""Benches, procedures, measurements and reports for biomedical engineers."""
