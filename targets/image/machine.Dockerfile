# What changes with every build of headroom: its binary, one thin layer on a base
# that has the label and the entry point already.
ARG BASE
FROM ${BASE}
COPY headroom /usr/local/bin/headroom
