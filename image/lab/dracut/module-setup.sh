#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154 # moddir is set by dracut, which sources this
# dracut module of the lab base: finds ROOT and /usr by itself, as an almost empty ROOT is none to dracut.

check() {
    return 255
}

depends() {
    echo base kernel-modules
}

install() {
    inst_multiple mount mkdir ln e2fsck readlink
    inst_simple "$moddir/layout.sh" /usr/lib/kiln-lab/layout.sh
    inst_hook cmdline 90 "$moddir/find-root.sh"
    inst_hook mount 90 "$moddir/mount-root.sh"
}
