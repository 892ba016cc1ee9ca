"""Guests: selftests, initramfs, boots under QEMU, and what the console says."""
