#!/bin/sh
# remux: the container is a header and the subtitles.
echo "WEBVTT"
echo
cat
