#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Sourced by dracut: mounts ROOT, /usr and /etc, and makes on ROOT the few names that nothing boots without.

mount_root() {
    # The real name, so that tools in the system see the partition and not a link.
    device=$(readlink -f /dev/disk/by-label/ROOT)
    # 1: errors were corrected.
    e2fsck -p "$device" || [ $? -eq 1 ] || die "ROOT is damaged: e2fsck -p $device failed"
    mount -t ext4 -o rw "$device" "$NEWROOT" || die "can't mount ROOT ($device)"
}

make_names() {
    for folder in .etc-work boot dev etc proc run sys tmp usr var; do
        [ -d "$NEWROOT/$folder" ] || mkdir -m 0755 "$NEWROOT/$folder"
    done
    for link in bin lib lib64 sbin; do
        [ -L "$NEWROOT/$link" ] || ln -s "usr/$link" "$NEWROOT/$link"
    done
}

mount_usr_and_etc() {
    mount -t squashfs -o ro /dev/disk/by-partuuid/6b696c6e-6c61-4200-8000-000000000003 "$NEWROOT/usr" ||
        die "can't mount /usr"
    mount -t overlay -o "lowerdir=$NEWROOT/usr/share/kiln-lab/etc,upperdir=$NEWROOT/etc,workdir=$NEWROOT/.etc-work" \
        overlay "$NEWROOT/etc" || die "can't mount /etc"
}

if ! ismounted "$NEWROOT"; then
    mount_root && make_names && mount_usr_and_etc
fi
