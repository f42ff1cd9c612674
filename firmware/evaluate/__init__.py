"""`scrubcam privacy-eval`: the product over labelled footage, judged by what can still be seen in its output."""
