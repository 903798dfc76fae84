FROM debian:course
ENTRYPOINT echo Hello
CMD echo world
