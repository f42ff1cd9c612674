def run_trial(bed, presses, seed): return {}
