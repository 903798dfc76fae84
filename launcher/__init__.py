"""Everything behind `./atelier`: set-up of a machine, the processes of `up`, `down` and `test`.

It runs before anything is installed, so it uses the standard library only, and it knows the engine and the portal only by their
command lines.
"""
