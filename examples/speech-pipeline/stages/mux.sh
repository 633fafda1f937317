#!/bin/sh
# mux: subtitles in the container format that players read.
set -eu
remux
