#!/bin/sh
# One task of an array: prints the square of its index.
#
#     berth submit --array 0-99 -- ./square.sh
echo $((BERTH_ARRAY_INDEX * BERTH_ARRAY_INDEX))
