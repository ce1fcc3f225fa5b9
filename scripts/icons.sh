#!/usr/bin/env bash
# Draws every icon size from icons/tributary.svg. Needs rsvg-convert (librsvg2-bin), convert (imagemagick), png2icns (icnsutils).
# The results are committed; run this only after changing the drawing.
set -euo pipefail
cd "$(dirname "$0")/../icons"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
size() { rsvg-convert --width "$1" --height "$1" tributary.svg --output "$2"; }

size 32 32x32.png
size 128 128x128.png
size 256 128x128@2x.png
size 512 icon.png
for px in 16 24 32 48 64 128 256 512 1024; do size "$px" "$work/$px.png"; done
# A folder of one size per file, each drawn anew: a scaled-down 512 is blurred at 16.
convert "$work"/{16,24,32,48,64,256}.png icon.ico
png2icns icon.icns "$work"/{16,32,48,128,256,512,1024}.png >/dev/null
