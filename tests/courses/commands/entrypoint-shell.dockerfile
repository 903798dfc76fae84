FROM debian:course
ENTRYPOINT echo Hello $HOME
