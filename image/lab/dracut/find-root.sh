#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034 # they are the variables of dracut, which sources this
# Sourced by dracut: says that the root is known, and waits for both partitions.

root=kiln-lab
rootok=1
wait_for_dev /dev/disk/by-label/ROOT
wait_for_dev /dev/disk/by-partuuid/6b696c6e-6c61-4200-8000-000000000003
