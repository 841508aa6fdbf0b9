// SPDX-License-Identifier: Apache-2.0
//
// The programs of the lab's own container images. They use Go's own packages alone.
module kiln.image/lab/images

go 1.25.0
