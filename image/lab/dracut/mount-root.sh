#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Sourced by dracut: mounts ROOT, /usr and /etc, and makes on ROOT the few names that nothing boots without.

# shellcheck source=layout.sh disable=SC1091
. /usr/lib/kiln-lab/layout.sh

mount_root() {
    # The real name, so that tools in the system see the partition and not a link.
    device=$(readlink -f "/dev/disk/by-label/$root_label")
    # 1: errors were corrected.
    e2fsck -p "$device" || [ $? -eq 1 ] || die "ROOT is damaged: e2fsck -p $device failed"
    mount -t "$root_type" -o rw "$device" "$NEWROOT" || die "can't mount ROOT ($device)"
}

make_names() {
    for folder in $folders; do
        [ -d "$NEWROOT/$folder" ] || mkdir -m 0755 "$NEWROOT/$folder"
    done
    for link in $links; do
        [ -L "$NEWROOT/$link" ] || ln -s "usr/$link" "$NEWROOT/$link"
    done
}

mount_usr_and_etc() {
    mount -t "$usr_type" -o ro "/dev/disk/by-partuuid/$usr_partuuid" "$NEWROOT/usr" || die "can't mount /usr"
    mount -t overlay -o "lowerdir=$NEWROOT/$etc_lower,upperdir=$NEWROOT/$etc_upper,workdir=$NEWROOT/$etc_work" \
        overlay "$NEWROOT/etc" || die "can't mount /etc"
}

if ! ismounted "$NEWROOT"; then
    mount_root && make_names && mount_usr_and_etc
fi
