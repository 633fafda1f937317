#!/bin/sh
# tmdb: the cast of a film, one name a line.
set -eu
sort -u "$SPEECH_HOME/cast.txt"
