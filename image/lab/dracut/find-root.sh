#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034 # they are the variables of dracut, which sources this
# Sourced by dracut: says that the root is known, and waits for both partitions.

# shellcheck source=layout.sh disable=SC1091
. /usr/lib/kiln-lab/layout.sh

root=kiln-lab
rootok=1
wait_for_dev "/dev/disk/by-label/$root_label"
wait_for_dev "/dev/disk/by-partuuid/$usr_partuuid"
