"""The casebook: recorded runs of which it is known what is wrong in them, and who did it.

Each case is played with real guests: a while in which all is well, then a cause. Its
label says what a diagnosis must find, and is held against what the loads themselves
and the host's kernel measured meanwhile. `lab/cases` is its command.
"""
