#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs inside mmdebstrap's namespace, when all packages are configured: makes kernel, initrd, the package list and /usr
# out of the tree $1 and leaves them in $1/result. The recipe lies beside this file.
set -eu
root=$1
lab=$(dirname "$0")
result=$root/result
mkdir "$result"
epoch=$SOURCE_DATE_EPOCH

# Files of ours, with the modes that git knows: executable or not.
cp -RP "$lab/usr" "$root/"
(cd "$lab" && find usr -type f ! -perm -100) | while read -r file; do chmod 0644 "$root/$file"; done
(cd "$lab" && find usr -type f -perm -100) | while read -r file; do chmod 0755 "$root/$file"; done

kernel=$(ls "$root/usr/lib/modules")
module=$root/usr/lib/dracut/modules.d/90kiln-lab
mkdir -p "$module"
cp "$lab"/dracut/*.sh "$module/"
# NO_MKNOD: a user without root can't make device nodes; the kernel brings the one that is needed.
DRACUT_NO_MKNOD=1 chroot "$root" dracut --force --quiet --kver "$kernel" --no-hostonly --no-early-microcode --reproducible --zstd \
    --modules "base kernel-modules udev-rules kiln-lab" \
    --drivers "virtio_pci virtio_blk virtio_scsi nvme sd_mod ext4 squashfs overlay" /result/initrd
cp "$root/boot/vmlinuz-$kernel" "$result/vmlinuz"

# shellcheck disable=SC2016 # the fields are dpkg's
chroot "$root" dpkg-query --show --showformat '${binary:Package} ${Version}\n' | LC_ALL=C sort > "$result/packages"

# The default /etc: what packages made of it, without the machine it was made on.
find "$root/etc/systemd/system" -name '*.wants' -prune -exec rm -r {} +
chroot "$root" systemctl --quiet preset-all 2>/dev/null
(cd "$root/etc" && rm -rf .pwd.lock .resolv.conf.* ./*- fstab hostname init.d machine-id rc?.d resolv.conf)
ln -s ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
printf 'VARIANT="kiln lab base"\nVARIANT_ID=kiln-lab\n' >> "$root/usr/lib/os-release"
mkdir -p "$root/usr/share/kiln-lab"
cp -a "$root/etc" "$root/usr/share/kiln-lab/etc"
cp "$result/packages" "$root/usr/share/kiln-lab/packages"

# The kernel takes zstd from the highest level as fast as from this one, which packs in a tenth of the time.
env --unset=SOURCE_DATE_EPOCH mksquashfs "$root/usr" "$result/usr.squashfs" -noappend -no-progress -quiet -comp zstd -Xcompression-level 6 \
    -mkfs-time "$epoch" -all-time "$epoch" -root-mode 0755
