#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034 # whoever sources this uses them
# What becomes of the disk's partitions when the system starts. The initrd sources this; kiln's own lab, which boots the
# image without an initrd, reads the same lines (src/lab/layout.rs): NAME="WORDS", nothing else.

root_label="ROOT"
root_type="ext4"
usr_partuuid="6b696c6e-6c61-4200-8000-000000000003"
usr_type="squashfs"
# Made on ROOT where they are missing.
folders=".etc-work boot dev etc proc run sys tmp usr var"
# Links on ROOT to the folder of that name in /usr.
links="bin lib lib64 sbin"
# /etc is an overlay of these, all below the new root.
etc_lower="usr/share/kiln-lab/etc"
etc_upper="etc"
etc_work=".etc-work"
