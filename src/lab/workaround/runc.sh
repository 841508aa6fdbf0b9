#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What docker calls as its OCI runtime on a machine whose root may not lower the score by which the kernel chooses whom to
# end when memory is short. docker has no setting for it, so the container's own description is changed before runc reads it.
set -eu
bundle=
previous=
for word in "$@"; do
    if [ "$previous" = --bundle ]; then
        bundle=$word
    fi
    previous=$word
done
if [ -f "$bundle/config.json" ]; then
    sed --in-place 's/"oomScoreAdj":-[0-9]*/"oomScoreAdj":0/' "$bundle/config.json"
fi
exec runc "$@"
