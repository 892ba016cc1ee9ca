"""backport: carry Linux kernel features to older kernels, and prove that they arrived whole."""
