"""Real guests for trying and testing ivtrace: kernels, initramfs, QEMU, commands.

guest.Guest boots one guest and is the way in; cli.py puts the same on a command
line (lab/ivlab). Only Python's standard library is used.
"""
