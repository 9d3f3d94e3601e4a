FROM debian AS base
ENV UPLOADS=/uploads
VOLUME ["/data", "/cache"]
FROM base AS run
VOLUME /scratch $UPLOADS
FROM base AS tests
VOLUME /tests
