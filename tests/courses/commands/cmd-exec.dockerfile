FROM debian:course
CMD ["echo", "Hello", "$HOME"]
