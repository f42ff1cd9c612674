"""The real frame path under random faults on a simulated clock: sources and detectors with the worst of manners."""
