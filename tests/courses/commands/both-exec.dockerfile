FROM debian:course
ENTRYPOINT ["echo", "Hello"]
CMD ["world"]
